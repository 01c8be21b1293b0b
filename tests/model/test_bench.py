"""The benchmark's child processes start, generate and measure, with the demo model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import MODELS
from tools.bench import cases, models
from tools.bench.case import Case
from tools.bench.measure import Bench, image_store


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with image_store() as address:
        yield address


@pytest.fixture
def bench(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(models, "PREPARED", MODELS)
    return Bench(tmp_path, endpoint)


@pytest.mark.parametrize("case", [cases.DEMO_F32, cases.DEMO_NAIVE, cases.DEMO_READY], ids=lambda case: case.id)
def test_a_case_runs_and_reports_its_times(bench: Bench, case: Case) -> None:
    run = bench.run(replace(case, images=2, steps=2))
    generates = case.program != "ready"
    assert [image.calls for image in run.images] == ([2, 2] if generates else [])
    assert 0 < run.import_s < run.ready_s
    assert run.ready_s < run.first_s or not generates


def test_overhead_runs_and_reports_its_times(bench: Bench) -> None:
    overhead = bench.overhead(cases.OVERHEAD, requests=2)
    assert overhead.requests == 2
    assert overhead.direct_ms > 0
    assert 0 < overhead.encode_ms < overhead.engine_ms
