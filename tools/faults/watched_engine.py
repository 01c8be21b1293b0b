"""Records each generation and each denoising step of a job, and ends invocations there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from imagegen.catalog.registry import Model
from imagegen.generation.ports import Backend, Engine, Engines, Generated, OnStep, Resident, Resumption
from imagegen.generation.snapshot import Snapshot
from imagegen.generation.spec import GenerationSpec
from imagegen.jobs.timing import REQUEUE_S
from tools.faults.environment import Hooks


class WatchedResumption:
    """Records each step as soon as it is computed: before the product can save it."""

    def __init__(self, resumption: Resumption, n: str, hooks: Hooks):
        self._resumption, self._n, self._hooks = resumption, n, hooks
        self._step, self._began = resumption.snapshot.steps, time.monotonic()

    @property
    def snapshot(self) -> Snapshot:
        """Where the run begins."""
        return self._resumption.snapshot

    def reached(self, take: Callable[[], Snapshot]) -> None:
        step, now = take().steps, time.monotonic()
        if step > self._step:  # PNDM calls the network twice for its second step
            self._hooks.history.add(
                "step",
                n=self._n,
                pid=os.getpid(),
                step=step,
                took_s=now - self._began,
                left_s=self._hooks.clock.left_s(),
            )
            self._step = step
            self._hooks.kills.reached(step)
            self._hooks.clock.reached(step, ending_s=REQUEUE_S)
        self._resumption.reached(take)
        self._began = time.monotonic()  # a save is no work


@dataclass(frozen=True)
class WatchedEngine:
    """Records each generation under its seed, the job's number. The prompt `poison` kills the process."""

    engine: Engine
    hooks: Hooks

    def close(self) -> None:
        self.engine.close()

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        n, began_at = str(spec.seed), resumption.snapshot.steps if resumption is not None else 0
        self.hooks.history.add("generating", n=n, pid=os.getpid(), began_at=began_at)
        if spec.prompt == "poison":
            os.kill(os.getpid(), signal.SIGKILL)

        def watch(step: int, of: int) -> None:
            if step == of // 2:
                self.hooks.kills.reached("denoising")
            on_step(step, of)

        watched = WatchedResumption(resumption, n, self.hooks) if resumption is not None else None
        return self.engine.generate(spec, watch, watched)


@dataclass(frozen=True)
class WatchedEngines:
    """Engines that are each wrapped in a WatchedEngine."""

    engines: Engines
    hooks: Hooks

    def held_s(self, model: Model, backend: Backend) -> float | None:
        return self.engines.held_s(model, backend)

    def resident(self, model: Model, backend: Backend) -> Resident:
        resident = self.engines.resident(model, backend)
        return replace(resident, engine=WatchedEngine(resident.engine, self.hooks))
