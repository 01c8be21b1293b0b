"""The base of methods that step between the timesteps of training."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable

from imagegen.engines.schedulers.base import Array, Scheduler
from imagegen.engines.schedulers.config import SchedulerConfig
from imagegen.engines.schedulers.noise_schedule import alphas_cumprod


class DiscreteScheduler(Scheduler, ABC):
    """Noise levels by timestep; latents have unit variance."""

    def __init__(self, config: SchedulerConfig, draw_noise: Callable[[], Array]):
        super().__init__(draw_noise)
        self._config = config
        self._alphas: list[float] = alphas_cumprod(config).tolist()
        self._final_alpha = 1.0 if config.set_alpha_to_one else self._alphas[0]

    def add_noise(self, original: Array, noise: Array, index: int = 0) -> Array:
        """Keep unit variance."""
        alpha, sigma = self._levels(self.timesteps[index])
        return alpha * original + sigma * noise

    def _levels(self, timestep: float) -> tuple[float, float]:
        """Return (alpha, sigma) at a timestep; before the first one, those of the noiseless end."""
        alpha = self._alphas[int(timestep)] if timestep >= 0 else self._final_alpha
        return math.sqrt(alpha), math.sqrt(1 - alpha)

    def _clip(self, original: Array) -> Array:
        """Limit predicted latents, if the checkpoint's own configuration asks for it."""
        bound = self._config.clip_sample_range
        return original.clip(-bound, bound) if self._config.clip_sample else original
