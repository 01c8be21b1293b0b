"""Order and number of runs, and the time budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from tools.bench.case import Case
from tools.bench.cases import ONE_THREAD
from tools.bench.measurements import Roofline, Run

ROUNDS: Final = 5
QUICK_ROUNDS: Final = 3
SLOW_IMAGES, QUICK_SLOW_IMAGES = 3, 1
"""Number of rounds that generate a warm image if it takes longer than SLOW_SECONDS."""
SLOW_SECONDS: Final = 10.0
QUICK_MINUTES: Final = 13.5
"""In quick mode, no run starts that would end later, except the first run of a case."""


class BenchError(RuntimeError):
    """A child process failed; the message names its log file."""


class Runner(Protocol):
    """Runs measurements; raises BenchError if one fails."""

    def run(self, case: Case) -> Run: ...

    def roofline(self, precisions: list[str], repeats: int) -> Roofline: ...


@dataclass
class Results:
    """Runs and failure messages by case id."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    rooflines: list[Roofline] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class Budget:
    """Time budget of a benchmark, and how long each run took last time."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    """Returns seconds."""

    def __post_init__(self) -> None:
        self._started = self.clock()
        self._took: dict[str, float] = {}

    def fits(self, name: str) -> bool:
        """Return whether another run fits. The first run always does: one measurement is better than none."""
        if name not in self._took:
            return True
        return self.elapsed() + self._took[name] <= self.seconds

    def elapsed(self) -> float:
        """Return seconds since the budget was created."""
        return self.clock() - self._started

    @contextmanager
    def taking(self, name: str) -> Iterator[None]:
        """Record how long the body takes."""
        started = self.elapsed()
        yield
        self._took[name] = self.elapsed() - started


@dataclass
class Plan:
    """Interleaved runs: each round runs every case at most once, so a slow minute of the machine affects all alike."""

    cases: Sequence[Case]
    precisions: list[str]
    budget: Budget
    quick: bool
    log: Callable[[str], None]

    def measure(self, bench: Runner) -> Results:
        """Run all rounds and return the results. A case that fails is recorded and not run again."""
        results = Results()
        for number in range(1, 1 + (QUICK_ROUNDS if self.quick else ROUNDS)):
            for case in self.cases:
                if self._is_due(case, number) and case.id not in results.failures:
                    self.log(f"round {number}: {case.id}")
                    self._run(bench, case, results)
                if case.id == ONE_THREAD.id and self.budget.fits("roofline"):
                    self.log(f"round {number}: roofline")
                    with self.budget.taking("roofline"):
                        results.rooflines.append(bench.roofline(self.precisions, repeats=8 if self.quick else 16))
        return results

    def _is_due(self, case: Case, number: int) -> bool:
        return number <= (1 if self.quick and case.isa else case.rounds) and self.budget.fits(case.id)

    def _run(self, bench: Runner, case: Case, results: Results) -> None:
        known = results.runs.setdefault(case.id, [])
        try:
            with self.budget.taking(case.id):
                known.append(bench.run(self._shortened(case, known)))
        except BenchError as error:
            results.failures[case.id] = str(error)
            self.log(str(error))

    def _shortened(self, case: Case, known: list[Run]) -> Case:
        warm_s = known[0].warm_s if known else None
        is_slow = warm_s is not None and warm_s > SLOW_SECONDS
        limit = QUICK_SLOW_IMAGES if self.quick else SLOW_IMAGES
        return replace(case, images=1) if is_slow and len(known) >= limit else case
