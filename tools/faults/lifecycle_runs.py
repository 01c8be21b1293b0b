"""R3: runs JobLifecycle many times: `python -m tools.faults.lifecycle_runs 2000 1` prints its figures for seed 1.

One process per CPU, each with a share of the lifecycles, its own seed, and moto in that process.
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

from tools.faults.job_lifecycle import STEPS, JobLifecycle
from tools.faults.template_resources import set_moto_environment

Figures = dict[str, Any]


class CountedJobLifecycle(JobLifecycle):
    """Counts the lifecycles and the states that the invariants were checked in."""

    states: Counter[str] = Counter()
    count = 0

    def __init__(self) -> None:
        super().__init__()
        CountedJobLifecycle.count += 1

    @invariant()
    def counts(self) -> None:
        """Count the current state."""
        if hasattr(self, "backend"):
            self.states["deleted" if self.last is None else self.last.state] += 1


def check(runs: int, number: int) -> Figures:
    """Run at least `runs` lifecycles with the seed `number` in this process."""
    errors: list[str] = []
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    wanted = settings(
        max_examples=runs, stateful_step_count=STEPS, deadline=None, database=None, suppress_health_check=checks
    )
    try:
        run_state_machine_as_test(seed(number)(CountedJobLifecycle), settings=wanted)
    except AssertionError as error:
        errors.append(str(error)[:500])
    return {"errors": errors, "runs": CountedJobLifecycle.count, "states": CountedJobLifecycle.states}


def main() -> int:
    """Return 0 if no invariant was violated, and all five states and the deleted job were seen, else 1."""
    set_moto_environment()
    runs, number = map(int, sys.argv[1:3])
    processes = min(runs, os.cpu_count() or 1)
    share = -(-runs // processes)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(check, repeat(share), range(number * processes, (number + 1) * processes)))
    errors = [error for part in parts for error in part["errors"]]
    count = sum(part["runs"] for part in parts)
    states: Counter[str] = sum((part["states"] for part in parts), Counter())
    figures = {"broken": len(errors), "errors": errors, "runs": count, "steps": states.total(), "states": dict(states)}
    figures = {"holds": not errors and count >= runs and len(states) == 6} | figures
    print(json.dumps(figures))
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
