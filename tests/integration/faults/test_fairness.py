"""R16 in a small volume, and the bugs that it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.faults.breakage import Breakage, broken
from tools.faults.fairness import turns
from tools.faults.jobs import JOBS
from tools.faults.ministack import LocalAws
from tools.faults.product import Product
from tools.faults.run import WORKERS, Figures, Run


def figures_of(aws: LocalAws, folder: Path, product: Product) -> Figures:
    """Run R16 with 40 jobs of one tenant and one of each of three others."""
    return turns(Run(aws, product, folder, seed=1, scale=0.04))


def test_many_jobs_of_one_tenant_do_not_delay_the_first_of_another(aws: LocalAws, tmp_path: Path) -> None:
    figures = figures_of(aws, tmp_path, JOBS)
    assert figures["holds"], json.dumps(figures)  # pytest shortens a dict


@pytest.mark.parametrize("breakage", ["turn_left_out", "group_left_out"])
def test_a_bug_is_found(aws: LocalAws, tmp_path: Path, breakage: Breakage) -> None:
    figures = figures_of(aws, tmp_path, broken(JOBS, breakage))
    assert not figures["holds"]
    assert (figures["lost"], figures["stuck"]) == (0, 0), figures
    assert (figures["most_started_before_a_newcomer"] > WORKERS) == (breakage == "turn_left_out")
    assert (figures["messages_without_their_tenants_group"] > 0) == (breakage == "group_left_out")
