"""Euler's method on the probability flow ODE (Karras et al., 2022, algorithm 2 without churn)."""

from __future__ import annotations

from imagegen.engines.schedulers.base import Array
from imagegen.engines.schedulers.sigmas import SigmaScheduler


class Euler(SigmaScheduler):
    """One network call per step, first order, deterministic."""

    def step(self, model_output: Array, index: int, sample: Array) -> Array:
        """Move to the next noise level: a step along the derivative, without its cancellation at high sigma."""
        sigma, following = self._sigmas[index], self._sigmas[index + 1]
        original = self._original(model_output, index, sample)
        self.predicted = original
        return original + following / sigma * (sample - original)
