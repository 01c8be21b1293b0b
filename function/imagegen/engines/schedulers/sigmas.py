"""The base of methods on continuous noise levels."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from imagegen.engines.schedulers.base import Array, Scheduler
from imagegen.engines.schedulers.config import SchedulerConfig
from imagegen.engines.schedulers.noise_schedule import (
    Floats,
    alphas_cumprod,
    first_step,
    karras_sigmas,
    sigmas_of,
    spaced_timesteps,
    timesteps_of,
)
from imagegen.engines.schedulers.prediction import predicted_original


class SigmaScheduler(Scheduler, ABC):
    """Noise levels by step; latents are x0 + sigma eps, and the network reads them scaled to unit variance."""

    has_karras_sigmas: ClassVar[bool] = True

    def __init__(
        self, config: SchedulerConfig, num_inference_steps: int, draw_noise: Callable[[], Array], strength: float
    ):
        super().__init__(draw_noise)
        self._config = config
        training = sigmas_of(alphas_cumprod(config))
        timesteps = spaced_timesteps(config, num_inference_steps, rounded=False)
        sigmas: Floats = np.interp(timesteps, np.arange(len(training)), training)
        if config.use_karras_sigmas and self.has_karras_sigmas:
            sigmas = karras_sigmas(config.sigma_min or sigmas[-1], config.sigma_max or sigmas[0], num_inference_steps)
            timesteps = timesteps_of(sigmas, training)
        last = training[0] if config.final_sigmas_type == "sigma_min" and self.has_karras_sigmas else 0.0
        first = first_step(num_inference_steps, strength)
        self.timesteps = timesteps[first:].tolist()
        self._sigmas: list[float] = [*sigmas[first:].tolist(), float(last)]
        self.init_noise_sigma = self._initial_sigma(self._sigmas[0])

    def add_noise(self, original: Array, noise: Array, index: int = 0) -> Array:
        """Keep the original's variance."""
        return original + self._sigmas[index] * noise

    def _initial_sigma(self, highest: float) -> float:
        """With leading spacing the first level is below the highest one, so the signal's own variance counts."""
        return math.hypot(highest, 1.0) if self._config.timestep_spacing == "leading" else highest

    def scale_model_input(self, sample: Array, index: int) -> Array:
        """Return the latents with unit variance."""
        return sample / math.hypot(self._sigmas[index], 1.0)

    def _original(self, model_output: Array, index: int, sample: Array) -> Array:
        sigma = self._sigmas[index]
        alpha = 1 / math.hypot(sigma, 1.0)
        return predicted_original(self._config.prediction_type, model_output, alpha * sample, alpha, sigma * alpha)
