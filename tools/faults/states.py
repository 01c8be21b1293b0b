"""R3, the stateful test of tests/integration, as often as asked: `python -m tools.faults.states 2000 1` prints figures.

A process per processor, each with a share of the lives and a seed of its own, against moto in that process, with the
product's own JobService, table and queue.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from typing import Any

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.integration.jobs.test_job_life import JobLife

Figures = dict[str, Any]

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


def live(runs: int, number: int) -> Figures:
    """That many lives, or more, from one seed, in this process."""
    broken: list[str] = []
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    wanted = settings(
        max_examples=runs, stateful_step_count=STEPS, deadline=None, database=None, suppress_health_check=checks
    )
    try:
        run_state_machine_as_test(seed(number)(CountedJobLife), settings=wanted)
    except AssertionError as error:
        broken.append(str(error)[:500])
    return {"broken": broken, "runs": CountedJobLife.lives, "seen": CountedJobLife.found}


def main() -> int:
    runs, number = map(int, sys.argv[1:3])
    processes = min(runs, os.cpu_count() or 1)
    share = -(-runs // processes)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(live, repeat(share), range(number * processes, (number + 1) * processes)))
    broken = [how for part in parts for how in part["broken"]]
    lives = sum(part["runs"] for part in parts)
    seen: Counter[str] = sum((part["seen"] for part in parts), Counter())
    figures = {"broken": len(broken), "how": broken, "runs": lives, "steps": seen.total(), "seen": dict(seen)}
    figures = {"holds": not broken and lives >= runs and len(seen) == 6} | figures
    print(json.dumps(figures))
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
