"""The benchmark's arithmetic, its order of work and its report, on readings that are made up."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict
from math import inf, nan
from typing import Any

import pytest

from tools.bench import cases, report
from tools.bench.case import Case
from tools.bench.figures import Figures, Spread, usd
from tools.bench.markdown import number, spread, table
from tools.bench.measured import Bound, Image, Overhead, Rate, Run, convolution_gflop
from tools.bench.plan import QUICK_ROUNDS, ROUNDS, BenchError, Budget, Plan, Results

MACHINE: dict[str, Any] = {
    "cpu": "a processor",
    "cpu_family_model": "26/2",
    "vcpus": 2,
    "memory_gb": 23.5,
    "instruction_sets": ["avx2", "avx512_bf16"],
    "load_average_at_start": 0.1,
    "kernel": "6.1",
    "python": "3.11.7",
    "versions": {"openvino": "2026.4.1"},
}
BOUND = Bound(
    [
        Rate("OpenVINO", "float32", (320, 320, 64), 200.0),
        Rate("torch", "float32", (320, 320, 64), 100.0),
        Rate("OpenVINO", "bfloat16", (320, 320, 64), 400.0),
    ],
    unet_gflop=800.0,
)
OVERHEAD = Overhead(gateway_ms=2.0, direct_ms=1.0, engine_ms=90.0, encode_ms=1.0, s3_ms=4.0, requests=200)


def run(
    first_s: float, *, ready_s: float = 1.0, compile_s: float = 0.0, warm_s: float = 1.0, step_s: float = 1.0
) -> Run:
    images = [Image(first_s, 4, step_s, 0.5, compile_s), Image(warm_s, 4, step_s, 0.5)]
    return Run(0.5, ready_s, first_s, images, first_peak_mb=5000, peak_mb=6000)


RESULTS = Results(
    runs={
        cases.NAIVE.id: [run(seconds, ready_s=6.0, warm_s=40.0) for seconds in (56.0, 54.0, 58.0)],
        cases.F32.id: [run(10.0, warm_s=8.0)],
        cases.BF16.id: [run(7.0, warm_s=5.0)],
        cases.READY.id: [Run(0.5, 1.2, nan, [], 900, 900)],
        cases.EQUAL.id: [run(27.0, ready_s=1.0, compile_s=2.0, warm_s=22.0)],
        cases.ONE_THREAD.id: [run(20.0, step_s=4.2)],
    },
    bounds=[BOUND],
)


def figures(results: Results = RESULTS, overhead: Overhead | None = OVERHEAD) -> Figures:
    return Figures(MACHINE, results, overhead, {"generator": 0.3, "api": 0.25})


def test_ratios_are_of_medians() -> None:
    ratios = figures().ratios()
    assert ratios == {
        "first_image_f32": pytest.approx(5.6),
        "first_image_bf16": pytest.approx(8.0),
        "ready": pytest.approx(5.0),
        "equal_work": pytest.approx(40 / 22),  # warm; the first images give 50 / 24
        "step_over_bound": pytest.approx(4.2 / (800 / 200)),
    }


def test_equal_work_is_the_smaller_of_its_two_ratios() -> None:
    slow_cold = Results(runs={**RESULTS.runs, cases.EQUAL.id: [run(53.0, compile_s=2.0, warm_s=22.0)]})
    assert figures(slow_cold).equal_work() == pytest.approx(50 / 50)


def test_what_was_not_measured_is_null() -> None:
    document = figures(Results(), overhead=None).document()
    assert set(document["ratios"].values()) == {None}
    assert document["handler_overhead_ms"] is None
    assert document["usd_per_image"]["bf16"] == {"first": None, "warm": None}


def test_the_summary_has_its_keys() -> None:
    document = figures().document()
    assert list(document) == ["machine", "ratios", "handler_overhead_ms", "import_s", "usd_per_image"]
    assert document["handler_overhead_ms"] == 2.0  # the dearer of the two ways in
    assert document["import_s"] == {"generator": 0.3, "api": 0.25}
    assert document["usd_per_image"]["f32"]["first"] == usd(10.0)


def test_a_gigabyte_second_costs_what_lambda_asks() -> None:
    assert usd(60.0) == pytest.approx(60 * 10 * 0.0000166667, abs=1e-7)
    assert usd(None) is None


def test_the_bound_takes_the_fastest_convolution_of_a_precision() -> None:
    assert BOUND.best("float32") == BOUND.rates[0]
    assert BOUND.seconds("float32") == 4.0
    assert BOUND.seconds("bfloat16") == 2.0
    assert BOUND.seconds("float16") is None
    assert convolution_gflop((320, 320, 64)) == pytest.approx(2 * 9 * 320 * 320 * 4096 / 1e9)


def test_measurements_survive_json() -> None:
    assert Bound.parse(asdict(BOUND)) == BOUND
    assert Run.parse(asdict(RESULTS.runs[cases.F32.id][0])) == RESULTS.runs[cases.F32.id][0]


def test_numbers_keep_three_digits() -> None:
    assert [number(value) for value in (None, 0.01234, 1.234, 12.34, 1234.5)] == ["-", "0.012", "1.23", "12.3", "1,234"]
    assert spread(Spread.of([3.0, 1.0, 2.0])) == "2.00 (1.00-3.00)"
    assert spread(Spread.of([3.0])) == "3.00"
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_report_says_what_was_met_and_what_was_missed() -> None:
    page = report.render(figures(), "2026-11-21", "make bench")
    assert "| first image, float32, times faster | 5.60x | at least 5x | met |" in page
    assert "| one UNet step over the bound, float32, one thread | 1.05x | at most 1.1x | met |" in page
    missed = Results(runs={**RESULTS.runs, cases.F32.id: [run(20.0)]}, bounds=[BOUND])
    assert "| 2.80x | at least 5x | **missed** |" in report.render(figures(missed), "2026-11-21", "make bench")


def test_every_table_has_as_many_cells_in_each_row() -> None:
    for results in (RESULTS, Results(failures={"bf16": "bf16 ended with exit code 1"})):
        page = report.render(figures(results), "2026-11-21", "make bench")
        for _, lines in itertools.groupby(page.splitlines(), key=lambda line: line.startswith("|")):
            assert len({line.count("|") for line in lines if line.startswith("|")}) <= 1
        assert "None" not in page
        assert "nan" not in page


class Clock:
    """Time that passes only as told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Runner:
    """Takes a minute for everything, and notes it."""

    def __init__(self, clock: Clock, failing: str = ""):
        self.order: list[tuple[str, int]] = []
        self._clock = clock
        self._failing = failing

    def run(self, case: Case) -> Run:
        self._clock.now += 60
        if case.id == self._failing:
            raise BenchError(f"{case.id} ended with exit code 1")
        self.order.append((case.id, case.images))
        return run(10.0, warm_s=20.0)

    def bound(self, precisions: list[str], repeats: int) -> Bound:
        self._clock.now += 60
        self.order.append(("bound", repeats))
        return BOUND


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plan(clock: Clock) -> Callable[[bool, float], Plan]:
    def build(quick: bool, seconds: float) -> Plan:
        one_round = cases.one_round(bfloat16=False, quick=quick)
        return Plan(one_round, ["float32"], Budget(seconds, clock), quick, say=lambda what: None)

    return build


def test_rounds_are_interleaved(clock: Clock, plan: Callable[[bool, float], Plan]) -> None:
    runner = Runner(clock)
    results = plan(False, inf).measure(runner)
    planned = cases.one_round(bfloat16=False, quick=False)
    names = [name for name, _ in runner.order]
    assert {case.id: names.count(case.id) for case in planned} == {case.id: case.rounds for case in planned}
    assert names.count("bound") == ROUNDS
    assert [name for name in names if name in (cases.NAIVE.id, cases.F32.id)] == [cases.NAIVE.id, cases.F32.id] * ROUNDS
    assert len(results.runs[cases.NAIVE.id]) == ROUNDS
    assert [images for name, images in runner.order if name == cases.NAIVE.id] == [2, 2, 2, 1, 1]  # 20 s a warm image


def test_quick_repeats_what_fits(clock: Clock, plan: Callable[[bool, float], Plan]) -> None:
    runner = Runner(clock)
    results = plan(True, 900.0).measure(runner)
    assert clock.now <= 900
    assert {case.id for case in cases.one_round(bfloat16=False, quick=True)} == results.runs.keys()
    assert all(len(runs) in range(1, QUICK_ROUNDS + 1) for runs in results.runs.values())
    again = runner.order[len(results.runs) + 1 :]
    assert again
    assert all(images == 1 for case, images in again if case != "bound")  # a warm image of 20 s is drawn once


def test_a_case_that_fails_ends_nothing_else(clock: Clock, plan: Callable[[bool, float], Plan]) -> None:
    results = plan(False, inf).measure(Runner(clock, failing=cases.EQUAL.id))
    assert results.failures == {cases.EQUAL.id: "equal ended with exit code 1"}
    assert len(results.runs[cases.NAIVE.id]) == ROUNDS
    assert "## Failed" in report.render(figures(results), "2026-11-21", "make bench")


def test_bfloat16_is_measured_only_where_asked() -> None:
    names = {case.id for case in cases.one_round(bfloat16=False, quick=False)}
    assert not names & {cases.BF16.id, cases.READY_BF16.id, cases.ONE_THREAD_BF16.id, cases.DEMO_BF16.id}
    assert cases.BF16 in cases.one_round(bfloat16=True, quick=True)
