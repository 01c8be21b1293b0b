"""The Markdown report."""

from __future__ import annotations

import itertools

from tests.support.bench_results import RESULTS, ROOFLINE, figures, run
from tools.bench import cases, report
from tools.bench.plan import Results


def render(results: Results = RESULTS) -> str:
    return report.render(figures(results), "2026-11-21", "make bench")


def test_targets_are_met_or_missed() -> None:
    page = render()
    assert "| first image, float32, times faster | 5.60x | at least 5x | met |" in page
    assert "| one UNet step over the roofline, float32, one thread | 1.05x | at most 1.1x | met |" in page
    missed = Results(runs={**RESULTS.runs, cases.F32.id: [run(20.0)]}, rooflines=[ROOFLINE])
    assert "| 2.80x | at least 5x | **missed** |" in render(missed)


def test_every_table_has_as_many_cells_in_each_row() -> None:
    for results in (RESULTS, Results(failures={"bf16": "bf16 failed with exit code 1"})):
        page = render(results)
        for _, lines in itertools.groupby(page.splitlines(), key=lambda line: line.startswith("|")):
            assert len({line.count("|") for line in lines if line.startswith("|")}) <= 1
        assert "None" not in page
        assert "nan" not in page


def test_failed_cases_are_listed() -> None:
    page = render(Results(runs=RESULTS.runs, failures={"equal": "equal failed with exit code 1"}))
    assert "## Failed\n\n- equal failed with exit code 1" in page
