"""Interleaved pairs and their ratios."""

from __future__ import annotations

from math import nan

import pytest

from tests.support.bench_results import run
from tools.bench import pairs
from tools.bench.measurements import Run
from tools.bench.pairs import Measured, Pair

LOADED = Measured(Run(0.5, 1.2, nan, [], 900, 900), processor_s=2.0)


def first(seconds: float) -> Measured:
    return Measured(run(seconds), processor_s=2.0)


def first_s(measured: Measured) -> float:
    return measured.run.first_s


def test_the_order_changes_from_pair_to_pair() -> None:
    order: list[str] = []

    def runs(name: str) -> Measured:
        order.append(name)
        return LOADED

    pairs.interleave(3, lambda: runs("baseline"), lambda: runs("product"), lambda: 0.5)
    assert order == ["baseline", "product", "product", "baseline", "baseline", "product"]


def test_a_ratio_compares_the_two_runs_of_a_pair() -> None:
    assert Pair(first(10.0), first(9.0), 0.0).ratio(first_s) == pytest.approx(0.9)
    assert Pair(first(0.0), first(9.0), 0.0).ratio(first_s) is None


def test_rows_give_the_median_of_the_ratios_and_not_the_ratio_of_the_medians() -> None:
    done = [Pair(first(before), first(after), 1.5) for before, after in ((10.0, 11.0), (20.0, 18.0), (40.0, 20.0))]
    row = next(row for row in pairs.rows("demo", done) if row[1] == "first image")
    assert row[2:] == ["20.0 (10.0-40.0)", "18.0 (11.0-20.0)", "0.900 (0.500-1.100)", "3", "1.50-1.50"]


def test_a_case_without_images_has_only_the_times_of_loading() -> None:
    assert [row[1] for row in pairs.rows("ready", [Pair(LOADED, LOADED, 0.0)])] == ["ready", "processor time"]
