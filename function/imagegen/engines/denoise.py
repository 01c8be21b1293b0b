"""The denoising loop, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from imagegen.engines.schedulers.base import Scheduler


class Predict(Protocol):
    """The network, with guidance applied."""

    def __call__(self, sample: Any, timestep: float) -> Any:
        """Return the network's output for latents of unit variance."""


def denoise(scheduler: Scheduler, predict: Predict, after_step: Callable[[int], None]) -> Any:
    """Return the latents of one image, or of one batch. `after_step` gets the number of network calls so far."""
    sample = scheduler.draw_noise() * scheduler.init_noise_sigma
    for index, timestep in enumerate(scheduler.timesteps):
        output = predict(scheduler.scale_model_input(sample, index), timestep)
        sample = scheduler.step(output, index, sample)
        after_step(index + 1)
    return sample
