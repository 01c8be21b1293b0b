"""The denoising loop, the same for every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from imagegen.engines.schedulers.base import Scheduler


class Predict(Protocol):
    """The network, with guidance applied."""

    def __call__(self, sample: Any, timestep: float) -> Any:
        """Return the network's output for latents of unit variance."""


def keep_nothing(_calls: int, sample: Any) -> Any:
    """The `keep` of a run that may change everything."""
    return sample


def denoise(
    scheduler: Scheduler,
    predict: Predict,
    after_call: Callable[[int, Any], None],
    *,
    calls: int = 0,
    sample: Any = None,
    keep: Callable[[int, Any], Any] = keep_nothing,
) -> Any:
    """Return the latents of one image, or of one batch.

    `after_call` gets the number of network calls so far and the latents. A run that was interrupted goes on with these
    two as `calls` and `sample`, and a scheduler that has its `history`. Without a `sample` it starts from noise. `keep`
    returns the latents after that number of calls, with what is not to change restored.
    """
    if sample is None:
        sample = scheduler.draw_noise() * scheduler.init_noise_sigma
    for index in range(calls, len(scheduler.timesteps)):
        output = predict(scheduler.scale_model_input(sample, index), scheduler.timesteps[index])
        sample = keep(index + 1, scheduler.step(output, index, sample))
        after_call(index + 1, sample)
    return sample
