"""Generates before a deadline, and measures how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imagegen.errors import GenerationTimeout
from imagegen.generation.checkpoint import SAVING_SECONDS
from imagegen.generation.planner import Plan
from imagegen.generation.ports import Engine, Engines, Generated, Resident
from imagegen.generation.speed_estimate import STORING_SECONDS, Measured, SpeedEstimate, StepPace
from imagegen.generation.task import Task

_STEP_MARGIN: Final = 1.25
"""Reserved for the next step, in durations of the last one: a step that the deadline interrupts is lost."""


class TimedEngines:
    """The engines of a process and their speed. Thread-safe."""

    def __init__(self, engines: Engines, estimate: SpeedEstimate, clock: Callable[[], float]):
        self._engines = engines
        self._estimate = estimate
        self._clock = clock

    def generate(self, task: Task) -> tuple[Resident, Generated]:
        """Load the engine if needed and generate. Raises what ImageService.produce raises."""
        self._require_time(task)
        resident = self._engines.resident(task.plan.model, task.plan.backend)
        if task.checkpoint is not None:
            task.checkpoint.begin(task.spec.cache_key(), task.folder.cache_key, resident.load_s)
        generated = self._generate_in_time(task, resident.engine)
        self.record(task.plan, resident, generated, task.resumed_steps)
        return resident, generated

    def record(self, plan: Plan, resident: Resident, generated: Generated, resumed_steps: int = 0) -> None:
        """Keep what this generation measured; earlier runs have done `resumed_steps` of its steps."""
        if resident.load_s > 0:
            self._estimate.record_load(plan.model, resident.load_s + generated.compile_s)
        finish_s = generated.finish_s / plan.spec.num_images_per_prompt + STORING_SECONDS
        if steps := plan.spec.total_steps - resumed_steps:
            self._estimate.record(plan, Measured(generated.denoise_s / steps, finish_s))

    def _require_time(self, task: Task) -> None:
        """Raise GenerationTimeout if loading (if needed) and generating, or the first step of a resumable run, cannot
        fit."""
        held_s = self._engines.held_s(task.plan.model, task.plan.backend)
        if task.resumable:
            needed_s = _STEP_MARGIN * self._estimate.first_step_s(task.plan, held_s) + SAVING_SECONDS
        else:
            needed_s = self._estimate.needed_s(task.plan, held_s)
        try:
            task.deadline.require(needed_s)
        except GenerationTimeout:
            self._estimate.halve(task.plan)
            raise

    def _generate_in_time(self, task: Task, engine: Engine) -> Generated:
        """Generate. Raises GenerationTimeout between two steps as soon as they show that the rest will not fit.

        A resumable run continues until the next step will not fit.
        """
        self._require_time(task)  # loading may have taken long
        known = self._estimate.of(task.plan)
        pace = StepPace(self._clock, known.step_s, task.resumed_steps)

        def on_step(step: int, of: int) -> None:
            step_ended = pace.reached(step)
            task.on_step(step, of)
            if step_ended and task.checkpoint is not None:
                task.checkpoint.save_if_due()
            if task.resumable and step < of:
                needed_s = _STEP_MARGIN * pace.latest_s if step_ended else 0.0
            else:
                finish_s = self._estimate.finish_s(task.plan, pace.fastest_s or known.step_s)
                finishing_s = max(0.0, task.spec.num_images_per_prompt * finish_s - pace.since_s * (step == of))
                needed_s = finishing_s + pace.rest_s(of - step)
            task.deadline.require(needed_s + (SAVING_SECONDS if task.checkpoint is not None else 0.0))

        try:
            return engine.generate(task.spec, on_step, task.checkpoint)
        except GenerationTimeout:
            if pace.fastest_s is not None:  # the next request of this size need not start to be rejected
                self._estimate.record(task.plan, Measured(pace.fastest_s))
            if task.checkpoint is not None:
                task.checkpoint.save(retry_s=0.0)
            raise
