"""Results of child processes: JSON round trip and roofline arithmetic."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from tests.support.bench_results import RESULTS, ROOFLINE
from tools.bench import cases
from tools.bench.measurements import Roofline, Run, convolution_gflop


def test_roofline_uses_the_best_rate_of_a_precision() -> None:
    assert ROOFLINE.best("float32") == ROOFLINE.rates[0]
    assert ROOFLINE.seconds("float32") == 4.0
    assert ROOFLINE.seconds("bfloat16") == 2.0
    assert ROOFLINE.seconds("float16") is None
    assert convolution_gflop((320, 320, 64)) == pytest.approx(2 * 9 * 320 * 320 * 4096 / 1e9)


def test_measurements_round_trip_through_json() -> None:
    assert Roofline.parse(asdict(ROOFLINE)) == ROOFLINE
    assert Run.parse(asdict(RESULTS.runs[cases.F32.id][0])) == RESULTS.runs[cases.F32.id][0]
