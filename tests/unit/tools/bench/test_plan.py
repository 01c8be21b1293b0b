"""Order and number of runs, and the time budget, on a fake clock."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest

from tests.support.bench_results import ROOFLINE, figures, run
from tools.bench import cases, report
from tools.bench.case import Case
from tools.bench.measurements import Roofline, Run
from tools.bench.plan import QUICK_ROUNDS, ROUNDS, BenchError, Budget, Plan


class Clock:
    """A clock that advances only when a test sets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Runner:
    """Takes 60 s for every measurement and records them in order."""

    def __init__(self, clock: Clock, failing: str = ""):
        self.order: list[tuple[str, int]] = []
        self._clock = clock
        self._failing = failing

    def run(self, case: Case) -> Run:
        self._clock.now += 60
        if case.id == self._failing:
            raise BenchError(f"{case.id} failed with exit code 1")
        self.order.append((case.id, case.images))
        return run(10.0, warm_s=20.0)

    def roofline(self, precisions: list[str], repeats: int) -> Roofline:
        self._clock.now += 60
        self.order.append(("roofline", repeats))
        return ROOFLINE


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plan(clock: Clock) -> Callable[[bool, float], Plan]:
    def build(quick: bool, seconds: float) -> Plan:
        one_round = cases.one_round(bfloat16=False, quick=quick)
        return Plan(one_round, ["float32"], Budget(seconds, clock), quick, log=lambda message: None)

    return build


def test_rounds_are_interleaved(clock: Clock, plan: Callable[[bool, float], Plan]) -> None:
    runner = Runner(clock)
    results = plan(False, inf).measure(runner)
    planned = cases.one_round(bfloat16=False, quick=False)
    names = [name for name, _ in runner.order]
    assert {case.id: names.count(case.id) for case in planned} == {case.id: case.rounds for case in planned}
    assert names.count("roofline") == ROUNDS
    assert [name for name in names if name in (cases.NAIVE.id, cases.F32.id)] == [cases.NAIVE.id, cases.F32.id] * ROUNDS
    assert len(results.runs[cases.NAIVE.id]) == ROUNDS
    assert [images for name, images in runner.order if name == cases.NAIVE.id] == [2, 2, 2, 1, 1]  # 20 s a warm image


def test_quick_mode_repeats_what_fits_the_budget(clock: Clock, plan: Callable[[bool, float], Plan]) -> None:
    runner = Runner(clock)
    results = plan(True, 900.0).measure(runner)
    assert clock.now <= 900
    assert {case.id for case in cases.one_round(bfloat16=False, quick=True)} == results.runs.keys()
    assert all(len(runs) in range(1, QUICK_ROUNDS + 1) for runs in results.runs.values())
    repeats = runner.order[len(results.runs) + 1 :]
    assert repeats
    assert all(images == 1 for name, images in repeats if name != "roofline")  # warm images of 20 s: one per case


def test_a_failing_case_does_not_stop_the_others(clock: Clock, plan: Callable[[bool, float], Plan]) -> None:
    results = plan(False, inf).measure(Runner(clock, failing=cases.EQUAL.id))
    assert results.failures == {cases.EQUAL.id: "equal failed with exit code 1"}
    assert len(results.runs[cases.NAIVE.id]) == ROUNDS
    assert "## Failed" in report.render(figures(results), "2026-11-21", "make bench")
