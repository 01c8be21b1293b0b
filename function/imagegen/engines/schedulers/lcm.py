"""Latent consistency models (Luo et al., 2023): multistep consistency sampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from imagegen.engines.schedulers.alphas import DiscreteScheduler
from imagegen.engines.schedulers.base import Array
from imagegen.engines.schedulers.config import SchedulerConfig, UnsupportedSettingError
from imagegen.engines.schedulers.prediction import predicted_original

SIGMA_DATA: Final = 0.5
"""Standard deviation of the data in the consistency models' boundary condition (Song et al., 2023, appendix C)."""


class LCM(DiscreteScheduler):
    """Predict the image, add noise of the next level, repeat."""

    def __init__(
        self, config: SchedulerConfig, num_inference_steps: int, draw_noise: Callable[[], Array], strength: float
    ):
        super().__init__(config, draw_noise)
        original_steps = int(config.original_inference_steps * strength)
        if num_inference_steps > original_steps:
            raise UnsupportedSettingError(
                f"num_inference_steps is {num_inference_steps}; lcm makes at most original_inference_steps x strength, "
                f"{config.original_inference_steps} x {strength:g}"
            )
        if config.original_inference_steps > config.num_train_timesteps:
            raise UnsupportedSettingError(
                f"original_inference_steps is {config.original_inference_steps}; lcm needs at most "
                f"num_train_timesteps, {config.num_train_timesteps}"
            )
        stride = config.num_train_timesteps // config.original_inference_steps
        trained = (np.arange(1, original_steps + 1) * stride - 1)[::-1]
        chosen = np.floor(np.linspace(0, len(trained), num_inference_steps, endpoint=False)).astype(int)
        self.timesteps = trained[chosen].astype(float).tolist()

    def step(self, model_output: Array, index: int, sample: Array) -> Array:
        """Apply the consistency function, then diffuse to the next timestep, except after the last step."""
        timestep = self.timesteps[index]
        alpha, sigma = self._levels(timestep)
        scaled = timestep * self._config.timestep_scaling
        skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
        out = scaled / (scaled**2 + SIGMA_DATA**2) ** 0.5
        original = self._clip(predicted_original(self._config.prediction_type, model_output, sample, alpha, sigma))
        self.predicted = denoised = out * original + skip * sample
        if index == len(self.timesteps) - 1:
            return denoised
        following_alpha, following_sigma = self._levels(self.timesteps[index + 1])
        return following_alpha * denoised + following_sigma * self.draw_noise()
