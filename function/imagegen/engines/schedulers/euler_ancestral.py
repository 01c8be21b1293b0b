"""Euler's method with ancestral noise, as in k-diffusion's sample_euler_ancestral with eta = 1."""

from __future__ import annotations

import math

from imagegen.engines.schedulers.base import Array
from imagegen.engines.schedulers.sigmas import SigmaScheduler


class EulerAncestral(SigmaScheduler):
    """Each step removes more noise than Euler's and adds fresh noise."""

    has_karras_sigmas = False  # nor has diffusers' class

    def step(self, model_output: Array, index: int, sample: Array) -> Array:
        """Step down to `down`, then add noise up to the next level. Draws noise in the last step, too, as diffusers."""
        sigma, following = self._sigmas[index], self._sigmas[index + 1]
        up = following * math.sqrt(1 - (following / sigma) ** 2)
        down = following**2 / sigma
        original = self._original(model_output, index, sample)
        self.predicted = original
        return original + down / sigma * (sample - original) + up * self.draw_noise()
