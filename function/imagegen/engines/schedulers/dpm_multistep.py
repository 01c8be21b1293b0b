"""DPM-Solver++(2M) (Lu et al., 2022, algorithm 2), midpoint form, optionally on Karras' noise levels."""

from __future__ import annotations

import math
from collections.abc import Callable

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

FEW_STEPS = 15
"""Below this many steps, also of a run that starts later, the last one is first order, for stability."""


class DPMMultistep(Scheduler):
    """Second-order multistep in the log of the signal-to-noise ratio. `history` is the previous predicted image."""

    def __init__(
        self, config: SchedulerConfig, num_inference_steps: int, draw_noise: Callable[[], Array], strength: float
    ):
        super().__init__(draw_noise)
        self._config = config
        training = sigmas_of(alphas_cumprod(config))
        timesteps = _timesteps(config, num_inference_steps)
        sigmas: Floats = np.interp(timesteps, np.arange(len(training)), training)
        if config.use_karras_sigmas:
            sigmas = karras_sigmas(
                config.sigma_min or training[0], config.sigma_max or training[-1], num_inference_steps
            )
            fractional = timesteps_of(sigmas, training)
            # diffusers rounds, but truncates those of the cosine schedule.
            timesteps = np.floor(fractional) if config.beta_schedule == "squaredcos_cap_v2" else np.round(fractional)
        first = first_step(num_inference_steps, strength)
        self.timesteps = timesteps[first:].tolist()
        last = float(training[0]) if config.final_sigmas_type == "sigma_min" else 0.0
        self._sigmas: list[float] = [*sigmas[first:].tolist(), last]
        self._few = num_inference_steps < FEW_STEPS

    def add_noise(self, original: Array, noise: Array, index: int = 0) -> Array:
        """Keep unit variance."""
        alpha, sigma = _levels(self._sigmas[index])
        return alpha * original + sigma * noise

    def step(self, model_output: Array, index: int, sample: Array) -> Array:
        """Equation 8 of the paper's appendix: first order in the first step, and in the last if it must be stable."""
        alpha, sigma = _levels(self._sigmas[index])
        following_alpha, following_sigma = _levels(self._sigmas[index + 1])
        original = predicted_original(self._config.prediction_type, model_output, sample, alpha, sigma)
        estimate = original if self._is_first_order(index) else self._extrapolated(original, index)
        self.history = [original]
        self.predicted = original
        decay = math.expm1(-self._log_snr_step(index))
        return following_sigma / sigma * sample - following_alpha * decay * estimate

    def _is_first_order(self, index: int) -> bool:
        if not self.history:
            return True
        config = self._config
        stable = config.euler_at_final or config.final_sigmas_type == "zero"
        return index == len(self.timesteps) - 1 and (stable or (config.lower_order_final and self._few))

    def _extrapolated(self, original: Array, index: int) -> Array:
        """Extrapolate the predicted image to the middle of the step."""
        ratio = self._log_snr_step(index - 1) / self._log_snr_step(index)
        return original + (original - self.history[0]) / (2 * ratio)

    def _log_snr_step(self, index: int) -> float:
        """h, the change of log(alpha / sigma) in step `index`; infinite where the noise ends."""
        following = self._sigmas[index + 1]
        return math.log(self._sigmas[index] / following) if following else math.inf


def _timesteps(config: SchedulerConfig, num_inference_steps: int) -> Floats:
    """Other than the one-step methods, this one leaves out the last of one more timestep, unless they are trailing."""
    return spaced_timesteps(config, num_inference_steps, surplus=0 if config.timestep_spacing == "trailing" else 1)


def _levels(sigma: float) -> tuple[float, float]:
    """Return (alpha, sigma) of unit variance for a noise-to-signal ratio."""
    alpha = 1 / math.hypot(sigma, 1.0)
    return alpha, sigma * alpha
