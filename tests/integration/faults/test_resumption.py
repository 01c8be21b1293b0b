"""R5 and R6's kills in the smallest volume: one hand-on and one kill at each step, and bugs that they find."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.faults.breakage import Breakage, broken
from tools.faults.jobs import JOBS
from tools.faults.ministack import LocalAws
from tools.faults.resumption import STEPS, hand_ons, kills_at_every_step
from tools.faults.run import Figures, Run


def test_a_hand_on_at_every_step_repeats_none(aws: LocalAws, tmp_path: Path) -> None:
    figures = hand_ons(Run(aws, JOBS, tmp_path, seed=1, scale=0.0))
    assert figures["holds"], json.dumps(figures)  # pytest shortens a dict
    assert figures["executed"] == STEPS * figures["jobs"]
    assert set(figures["hand_on_steps"]) >= set(range(1, STEPS + 1))
    assert (figures["repeated"], figures["left_checkpoints"]) == (0, 0)


def test_a_kill_at_every_step_costs_at_most_the_work_since_the_checkpoint(aws: LocalAws, tmp_path: Path) -> None:
    figures = kills_at_every_step(Run(aws, JOBS, tmp_path, seed=1, scale=0.0))
    assert figures["holds"], json.dumps(figures)  # pytest shortens a dict
    assert figures["kills"] >= STEPS
    assert figures["repeated"] > 0


@pytest.mark.parametrize(
    ("breakage", "scenario", "problem"),
    [
        ("checkpoint_not_saved", hand_ons, "repeated_after_hand_on"),
        ("checkpoint_not_read", hand_ons, "repeated_after_hand_on"),
        ("checkpoint_not_read", kills_at_every_step, "lost_too_much"),
        ("checkpoint_not_deleted", hand_ons, "left_checkpoints"),
        ("checkpoint_altered", hand_ons, "changed_images"),
    ],
)
def test_a_broken_checkpoint_is_found(
    aws: LocalAws, tmp_path: Path, breakage: Breakage, scenario: Callable[[Run, int], Figures], problem: str
) -> None:
    figures = scenario(Run(aws, broken(JOBS, breakage), tmp_path, seed=1, scale=0.0), 3)
    assert problem in figures["problems"]
    assert not figures["holds"]
