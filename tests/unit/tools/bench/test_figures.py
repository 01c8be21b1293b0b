"""Ratios, costs and the summary."""

from __future__ import annotations

import pytest

from tests.support.bench_results import RESULTS, figures, run
from tools.bench import cases
from tools.bench.figures import usd
from tools.bench.plan import Results


def test_ratios_are_computed_from_medians() -> None:
    ratios = figures().ratios()
    assert ratios == {
        "first_image_f32": pytest.approx(5.6),
        "first_image_bf16": pytest.approx(8.0),
        "ready": pytest.approx(5.0),
        "equal_work": pytest.approx(40 / 22),  # warm; the first images give 50 / 24
        "step_over_roofline": pytest.approx(4.2 / (800 / 200)),
    }


def test_equal_work_is_the_smaller_of_its_two_ratios() -> None:
    slow_cold = Results(runs={**RESULTS.runs, cases.EQUAL.id: [run(53.0, compile_s=2.0, warm_s=22.0)]})
    assert figures(slow_cold).equal_work() == pytest.approx(50 / 50)


def test_missing_measurements_are_null() -> None:
    document = figures(Results(), overhead=None).document()
    assert set(document["ratios"].values()) == {None}
    assert document["handler_overhead_ms"] is None
    assert document["usd_per_image"]["bf16"] == {"first": None, "warm": None}


def test_summary_keys_and_values() -> None:
    document = figures().document()
    assert list(document) == ["machine", "ratios", "handler_overhead_ms", "import_s", "usd_per_image"]
    assert document["handler_overhead_ms"] == 2.0  # the larger of gateway and direct
    assert document["import_s"] == {"generator": 0.3, "api": 0.25}
    assert document["usd_per_image"]["f32"]["first"] == usd(10.0)


def test_usd_uses_lambdas_price_per_gb_second() -> None:
    assert usd(60.0) == pytest.approx(60 * 10 * 0.0000166667, abs=1e-7)
    assert usd(None) is None
