"""DDIM (Song et al., 2020), deterministic: eta = 0."""

from __future__ import annotations

from collections.abc import Callable

from imagegen.engines.schedulers.alphas import DiscreteScheduler
from imagegen.engines.schedulers.base import Array
from imagegen.engines.schedulers.config import SchedulerConfig
from imagegen.engines.schedulers.noise_schedule import first_step, spaced_timesteps
from imagegen.engines.schedulers.prediction import predicted_noise, predicted_original


class DDIM(DiscreteScheduler):
    """Denoising diffusion implicit models."""

    def __init__(
        self, config: SchedulerConfig, num_inference_steps: int, draw_noise: Callable[[], Array], strength: float
    ):
        super().__init__(config, draw_noise)
        timesteps = spaced_timesteps(config, num_inference_steps)
        self.timesteps = timesteps[first_step(num_inference_steps, strength) :].tolist()
        self._stride = config.num_train_timesteps // num_inference_steps

    def step(self, model_output: Array, index: int, sample: Array) -> Array:
        """Equation 12 with sigma = 0."""
        timestep = self.timesteps[index]
        alpha, sigma = self._levels(timestep)
        previous_alpha, previous_sigma = self._levels(timestep - self._stride)
        kind = self._config.prediction_type
        original = self._clip(predicted_original(kind, model_output, sample, alpha, sigma))
        noise = predicted_noise(kind, model_output, sample, alpha, sigma)
        self.predicted = original
        return previous_alpha * original + previous_sigma * noise
