"""R3, the stateful test of tests/integration, as often as asked: `python -m tests.faults.states 2000 1` prints figures.

Against moto in this process, with the product's own JobService, table and queue.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.integration.test_job_states import JobLife

STEPS = 50


class CountedJobLife(JobLife):
    """Counts what was really looked at, by the state that was found."""

    found: Counter[str] = Counter()
    lives = 0

    def __init__(self) -> None:
        super().__init__()
        CountedJobLife.lives += 1

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "world"):
            self.found["deleted" if self.last is None else self.last.state] += 1


def main() -> int:
    runs, number = map(int, sys.argv[1:3])
    figures: dict[str, Any] = {"holds": True, "broken": 0}
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    wanted = settings(
        max_examples=runs, stateful_step_count=STEPS, deadline=None, database=None, suppress_health_check=checks
    )
    try:
        run_state_machine_as_test(seed(number)(CountedJobLife), settings=wanted)
    except AssertionError as error:
        figures = {"holds": False, "broken": 1, "how": str(error)[:500]}
    seen = CountedJobLife.found
    figures |= {"runs": CountedJobLife.lives, "steps": seen.total(), "seen": dict(seen)}
    figures["holds"] = figures["holds"] and CountedJobLife.lives >= runs and len(seen) == 6
    print(json.dumps(figures))
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
