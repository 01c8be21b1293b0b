"""An engine of known cost, whose images show that every step was executed once and in order."""

from __future__ import annotations

import time
from functools import partial
from typing import Final, cast

import numpy as np
from PIL import Image

from imagegen.catalog.registry import Model
from imagegen.generation.ports import Backend, Generated, OnStep, Resident, Resumption
from imagegen.generation.snapshot import Array, RandomState, Snapshot
from imagegen.generation.spec import GenerationSpec

_SCALE: Final = 8
"""Pixels per latent, in each direction."""
_DECAY: Final = np.float32(0.9)


class SleepingEngine:
    """Sleeps for each step and adds noise to the latents, of which it shows three channels."""

    def __init__(self, step_s: float):
        self._step_s = step_s

    def close(self) -> None:
        """Does nothing: a SleepingEngine has no resources."""

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        at = resumption.snapshot if resumption is not None else Snapshot()
        began = at.steps
        on_step(at.steps, spec.total_steps)
        while at.steps < spec.total_steps:
            time.sleep(self._step_s)
            at = _after_step(spec, at)
            if resumption is not None:
                resumption.reached(partial(_identity, at))
            on_step(at.steps, spec.total_steps)
        images = [_image(latents, (spec.width, spec.height)) for latents in at.finished]
        return Generated(images, 0.0, (at.steps - began) * self._step_s, 0.0)


class SleepingEngines:
    """Engines whose only engine is a SleepingEngine."""

    def __init__(self, step_s: float):
        self._engine = SleepingEngine(step_s)

    def held_s(self, model: Model, backend: Backend) -> float | None:
        return 0.0

    def resident(self, model: Model, backend: Backend) -> Resident:
        return Resident(self._engine, load_s=0.0)


def _identity(snapshot: Snapshot) -> Snapshot:
    return snapshot


def _after_step(spec: GenerationSpec, at: Snapshot) -> Snapshot:
    random = np.random.RandomState(spec.seed_of(len(at.finished)))
    if at.random is not None:
        random.set_state(at.random)
    noise = random.standard_normal((1, 4, spec.height // _SCALE, spec.width // _SCALE)).astype(np.float32)
    sample = noise if at.sample is None else at.sample * _DECAY + noise
    if at.calls + 1 == spec.num_inference_steps:
        return Snapshot(at.steps + 1, (*at.finished, sample))
    state = cast(RandomState, random.get_state(legacy=True))
    return Snapshot(at.steps + 1, at.finished, at.calls + 1, sample, (), state)


def _image(latents: Array, size: tuple[int, int]) -> Image.Image:
    channels = np.clip(128 + 32 * latents[0, :3], 0, 255).astype(np.uint8)
    return Image.fromarray(channels.transpose(1, 2, 0)).resize(size, Image.Resampling.NEAREST)
