"""Checks which denoising steps each job's runs executed: how often, and how many a kill cost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Final

from imagegen.jobs.timing import REQUEUE_S
from tools.faults.history import Entry, History

Figures = dict[str, Any]

_WHILE_GENERATING: Final = ("denoising", "after_checkpoint")
"""Kill points other than steps at which a run can lose steps. At later ones its image is already stored."""


@dataclass
class StepRun:
    """The steps that one run of job number `n` executed, from step `began_at` on."""

    n: str
    began_at: int
    steps: list[Entry] = field(default_factory=list)
    killed: bool = False
    """Whether its process died while it generated, at a kill point other than `any`."""
    save_failed: bool = False
    """Whether AWS did not respond to a save: the product then continues, and a kill costs more."""

    @property
    def reached(self) -> int:
        """The number of steps done when it ended."""
        return int(self.steps[-1]["step"]) if self.steps else self.began_at

    @property
    def late_steps(self) -> int:
        """Steps that ended after the time reserved for ending the run had begun."""
        return sum(each["left_s"] < REQUEUE_S for each in self.steps)


@dataclass(frozen=True)
class StepFindings:
    """Totals and problems. A problem is the number `n` that a job's caller put into the metadata."""

    executed: int
    """Steps executed, including those that were repeated."""
    hand_ons: int
    """Runs that ended by themselves before the job did."""
    kills: int
    """Runs that were killed while they generated."""
    resumed: int
    """Runs that began after the first step."""
    repeated: int
    """Steps that were executed again."""
    most_lost_steps: int
    """Most steps that one kill cost."""
    most_lost_s: float
    """The time that the steps took which one kill cost, without the last one."""
    failed_saves: int
    """Runs in which AWS did not respond to a save. What a kill costs these is not judged."""
    hand_on_steps: set[int]
    """After how many steps runs ended by themselves; 0 for one that had no time for a step."""
    kill_steps: set[int]
    """After how many steps runs were killed."""
    repeated_after_hand_on: list[str] = field(default_factory=list)
    """A run repeated steps that the one before, which was not killed, had executed."""
    lost_too_much: list[str] = field(default_factory=list)
    """A kill cost more than the work between two checkpoints and the step that exceeds it."""
    skipped: list[str] = field(default_factory=list)
    """Not every step was executed, or not in order."""
    late: list[str] = field(default_factory=list)
    """A run had more than one step that ended past its deadline."""

    PROBLEMS = ("repeated_after_hand_on", "lost_too_much", "skipped", "late")

    def problems(self) -> dict[str, list[str]]:
        """Return the lists of problems that are not empty, by name."""
        return {name: getattr(self, name) for name in self.PROBLEMS if getattr(self, name)}

    def figures(self) -> Figures:
        """Return all fields, with the length in place of each list of problems."""
        fields = asdict(self).items()
        return {name: len(value) if isinstance(value, list) else value for name, value in fields} | {
            "hand_on_steps": sorted(self.hand_on_steps),
            "kill_steps": sorted(self.kill_steps),
        }


def check_steps(history: History, steps: int, save_every_s: float) -> StepFindings:
    """Compare the runs of each job of `steps` steps. Kills at `any` or by a timeout count as ends by themselves."""
    runs = step_runs(history)
    every = [run for each in runs.values() for run in each]
    ended = [(run, after) for each in runs.values() for run, after in pairwise(each)]
    back = [(run, after) for run, after in ended if after.began_at < run.reached]
    judged = [(run, after) for run, after in back if run.killed and not run.save_failed]
    lost_s = [(run.n, _lost_s(runs[run.n], run, after)) for run, after in judged]
    return StepFindings(
        executed=sum(len(run.steps) for run in every),
        hand_ons=sum(not run.killed for run, _ in ended),
        kills=sum(run.killed for run in every),
        resumed=sum(run.began_at > 0 for run in every),
        repeated=sum(run.reached - after.began_at for run, after in back),
        most_lost_steps=max((run.reached - after.began_at for run, after in back if run.killed), default=0),
        most_lost_s=round(max((lost for _, lost in lost_s), default=0.0), 2),
        failed_saves=sum(run.save_failed for run in every),
        hand_on_steps={run.reached for run, _ in ended if not run.killed},
        kill_steps={run.reached for run in every if run.killed},
        repeated_after_hand_on=sorted({run.n for run, _ in back if not run.killed}),
        lost_too_much=sorted({n for n, lost in lost_s if lost > save_every_s}),
        skipped=sorted(n for n, each in runs.items() if not _complete(each, steps)),
        late=sorted({run.n for run in every if run.late_steps > 1}),
    )


def step_runs(history: History) -> dict[str, list[StepRun]]:
    """Return the runs of each job number, oldest first."""
    entries = [entry for event in ("generating", "step", "killed", "save_failed") for entry in history.entries(event)]
    runs: dict[str, list[StepRun]] = defaultdict(list)
    current: dict[int, StepRun] = {}
    for entry in sorted(entries, key=lambda each: float(each["at"])):
        match entry["event"]:
            case "generating":
                current[entry["pid"]] = StepRun(entry["n"], entry["began_at"])
                runs[entry["n"]].append(current[entry["pid"]])
            case "step":
                current[entry["pid"]].steps.append(entry)
            case "save_failed" if entry["pid"] in current:
                current[entry["pid"]].save_failed = True
            case "killed" if isinstance(entry["point"], int) or entry["point"] in _WHILE_GENERATING:
                current[entry["pid"]].killed = True
    return dict(runs)


def _lost_s(runs: list[StepRun], killed: StepRun, after: StepRun) -> float:
    """Return how long the steps took that are repeated, when they were last executed, without the killed run's last."""
    until = next(index for index, run in enumerate(runs) if run is killed)
    took = {step["step"]: float(step["took_s"]) for run in runs[: until + 1] for step in run.steps}
    return sum(took.get(step, 0.0) for step in range(after.began_at + 1, killed.reached))


def _complete(runs: list[StepRun], steps: int) -> bool:
    executed = [[step["step"] for step in run.steps] for run in runs]
    in_order = all(
        each == list(range(run.began_at + 1, run.reached + 1)) for run, each in zip(runs, executed, strict=True)
    )
    return in_order and set().union(*executed) == set(range(1, steps + 1))
