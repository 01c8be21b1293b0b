"""In which order cases run, how often, and when it is time to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from tools.bench.case import Case
from tools.bench.cases import ONE_THREAD
from tools.bench.measured import Bound, Run

ROUNDS: Final = 5
QUICK_ROUNDS: Final = 3
SLOW_IMAGES, QUICK_SLOW_IMAGES = 3, 1
"""In so many rounds a warm image is drawn that takes longer than SLOW_SECONDS."""
SLOW_SECONDS: Final = 10.0
QUICK_MINUTES: Final = 13.5
"""In quick mode nothing is started that would end later, save what no run has measured yet."""


class BenchError(RuntimeError):
    """A child failed; the message says where its output is."""


class Runner(Protocol):
    """Raises BenchError."""

    def run(self, case: Case) -> Run: ...

    def bound(self, precisions: list[str], repeats: int) -> Bound: ...


@dataclass
class Results:
    """Of each case its runs, and of a case that failed the reason."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    bounds: list[Bound] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class Budget:
    """Whether one more run fits."""

    seconds: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._started = self.clock()
        self._took: dict[str, float] = {}

    def fits(self, name: str) -> bool:
        """What was never run fits always: a figure of one run is better than none."""
        if name not in self._took:
            return True
        return self.elapsed() + self._took[name] <= self.seconds

    def elapsed(self) -> float:
        return self.clock() - self._started

    @contextmanager
    def taking(self, name: str) -> Iterator[None]:
        """Remember how long the body took."""
        started = self.elapsed()
        yield
        self._took[name] = self.elapsed() - started


@dataclass
class Plan:
    """Interleaved: every round runs each case once at most, so that a slow minute of the machine hits all alike."""

    cases: Sequence[Case]
    precisions: list[str]
    budget: Budget
    quick: bool
    say: Callable[[str], None]

    def measure(self, bench: Runner) -> Results:
        """A case that fails is left out from then on, and named in the results."""
        results = Results()
        for number in range(1, 1 + (QUICK_ROUNDS if self.quick else ROUNDS)):
            for case in self.cases:
                if self._is_due(case, number) and case.id not in results.failures:
                    self.say(f"round {number}: {case.id}")
                    self._run(bench, case, results)
                if case.id == ONE_THREAD.id and self.budget.fits("bound"):
                    self.say(f"round {number}: bound")
                    with self.budget.taking("bound"):
                        results.bounds.append(bench.bound(self.precisions, repeats=8 if self.quick else 16))
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
            self.say(str(error))

    def _shortened(self, case: Case, known: list[Run]) -> Case:
        warm_s = known[0].warm_s if known else None
        is_slow = warm_s is not None and warm_s > SLOW_SECONDS
        enough = QUICK_SLOW_IMAGES if self.quick else SLOW_IMAGES
        return replace(case, images=1) if is_slow and len(known) >= enough else case
