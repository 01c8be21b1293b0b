"""One generation that a caller or a job asks for."""

from __future__ import annotations

from dataclasses import dataclass

from imagegen.deadline import Deadline
from imagegen.generation.checkpoint import Checkpoint
from imagegen.generation.object_keys import Folder
from imagegen.generation.planner import Plan
from imagegen.generation.ports import OnStep, PictureCheck
from imagegen.generation.spec import GenerationSpec
from imagegen.generation.speed_estimate import STORING_SECONDS


@dataclass(frozen=True)
class Task:
    """A plan with the folder of its images, its deadline, its progress callback, the check of its pictures and a job's
    checkpoint."""

    plan: Plan
    folder: Folder
    deadline: Deadline
    on_step: OnStep
    check: PictureCheck | None
    """None if its pictures are not judged."""
    checkpoint: Checkpoint | None = None

    @property
    def spec(self) -> GenerationSpec:
        """The plan's specification."""
        return self.plan.spec

    @property
    def storing_s(self) -> float:
        """The seconds left in which an attempt at a write to the store may start; zero or less if there are none."""
        return self.deadline.left() - STORING_SECONDS

    @property
    def answers_others(self) -> bool:
        """Whether its images answer the next identical request: a cache entry is written."""
        reproducible = self.checkpoint is None or self.checkpoint.reproducible
        return self.plan.request.cache != "off" and reproducible

    @property
    def resumed_steps(self) -> int:
        """The steps that earlier runs of the job have done."""
        return self.checkpoint.snapshot.steps if self.checkpoint is not None else 0

    @property
    def resumable(self) -> bool:
        """Whether the run uses all of its time, because another one continues it. Batches on a GPU are not resumed."""
        on_cpu = self.plan.backend.device == "cpu"
        return on_cpu and self.checkpoint is not None and self.checkpoint.until_deadline
