"""The steps that runs executed, as the checker counts them, in histories written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.faults.history import History
from tools.faults.steps import StepFindings, check_steps

STEPS = 4


class Story:
    """A history of job 7, whose steps take a second each."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def run(self, *steps: int, pid: int = 1, killed: object = None, left_s: float = 9.0) -> Story:
        """Add a run that executes these steps, and dies at the kill point."""
        self._add("generating", n="7", pid=pid, began_at=steps[0] - 1)
        for step in steps:
            self._add("step", n="7", pid=pid, step=step, took_s=1.0, left_s=left_s)
        if killed is not None:
            self._add("killed", pid=pid, point=killed)
        return self

    def save_failed(self, pid: int = 1) -> Story:
        """Add a save of this process's latest run that AWS did not answer."""
        self._add("save_failed", pid=pid)
        return self

    def findings(self, folder: Path, save_every_s: float = 2.0) -> StepFindings:
        """Check the history."""
        (folder / "1.history").write_text("".join(f"{json.dumps(entry)}\n" for entry in self.entries))
        return check_steps(History(folder), STEPS, save_every_s)

    def _add(self, event: str, **fields: Any) -> None:
        self.entries.append({"event": event, "at": float(len(self.entries)), **fields})


def test_a_hand_on_that_repeats_nothing_is_no_problem(tmp_path: Path) -> None:
    found = Story().run(1, 2).run(3, 4).findings(tmp_path)
    assert (found.executed, found.hand_ons, found.hand_on_steps, found.repeated) == (4, 1, {2}, 0)
    assert found.problems() == {}


def test_a_step_that_is_repeated_after_a_hand_on_is_found(tmp_path: Path) -> None:
    found = Story().run(1, 2).run(2, 3, 4).findings(tmp_path)
    assert (found.executed, found.repeated) == (5, 1)
    assert found.problems() == {"repeated_after_hand_on": ["7"]}


def test_what_a_kill_costs_is_not_judged_if_aws_did_not_respond_to_a_save(tmp_path: Path) -> None:
    story = Story().save_failed(pid=9).run(1, 2, 3).save_failed()
    found = story.run(1, 2, 3, 4, pid=2).findings(tmp_path, save_every_s=0.0)
    assert (found.failed_saves, found.problems()) == (1, {"repeated_after_hand_on": ["7"]})
    killed = Story().run(1, 2, 3, killed=3).save_failed().run(1, 2, 3, 4, pid=2)
    assert killed.findings(tmp_path, save_every_s=0.0).problems() == {}


@pytest.mark.parametrize(("save_every_s", "problems"), [(2.0, {}), (1.9, {"lost_too_much": ["7"]})])
def test_a_kill_may_cost_the_work_since_a_checkpoint(
    tmp_path: Path, save_every_s: float, problems: dict[str, list[str]]
) -> None:
    found = Story().run(1, 2, 3, killed=3).run(1, 2, 3, 4, pid=2).findings(tmp_path, save_every_s)
    assert (found.kills, found.kill_steps, found.repeated) == (1, {3}, 3)
    assert (found.most_lost_steps, found.most_lost_s) == (3, 2.0)
    assert found.problems() == problems


def test_a_lost_checkpoint_costs_the_steps_of_earlier_runs_too(tmp_path: Path) -> None:
    found = Story().run(1, 2).run(3, killed=3).run(1, 2, 3, 4, pid=2).findings(tmp_path, 1.0)
    assert found.problems() == {"lost_too_much": ["7"]}


def test_a_process_that_dies_after_the_run_did_not_kill_it(tmp_path: Path) -> None:
    found = Story().run(1, 2, killed="before_claim").run(2, 3, 4, pid=2).findings(tmp_path)
    assert found.problems() == {"repeated_after_hand_on": ["7"]}


def test_the_processes_of_other_jobs_do_not_matter(tmp_path: Path) -> None:
    story = Story().run(1, 2, 3, killed=3)
    story.entries = [{"event": "generating", "at": -1.0, "n": "8", "pid": 1, "began_at": 4}, *story.entries]
    story.run(2, 3, 4, pid=2)
    assert story.findings(tmp_path).repeated_after_hand_on == []


@pytest.mark.parametrize("story", [Story().run(1, 2).run(4), Story().run(1, 2, 3), Story().run(1, 2, 4)])
def test_a_step_that_no_run_executed_is_found(tmp_path: Path, story: Story) -> None:
    assert story.findings(tmp_path).problems() == {"skipped": ["7"]}


@pytest.mark.parametrize(("steps", "problems"), [((4,), {}), ((3, 4), {"late": ["7"]})])
def test_one_step_may_end_past_the_deadline(
    tmp_path: Path, steps: tuple[int, ...], problems: dict[str, list[str]]
) -> None:
    story = Story().run(*range(1, steps[0])).run(*steps, left_s=2.9)
    assert story.findings(tmp_path).problems() == problems
