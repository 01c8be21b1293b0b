"""What all schedulers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Array: TypeAlias = Any
"""numpy.ndarray or torch.Tensor, float32: whatever supports the arithmetic operators."""


class Scheduler(ABC):
    """The plan of one run: the timesteps of its network calls, and the arithmetic between them.

    `history` is all state between two steps: a run that is interrupted after step i continues elsewhere with the
    latents, i, and `history`.
    """

    timesteps: Sequence[float]
    """The timestep of each network call, descending. PNDM makes one call more than `num_inference_steps`."""
    init_noise_sigma: float = 1.0
    """Standard deviation of the initial latents."""

    def __init__(self, draw_noise: Callable[[], Array]) -> None:
        """`draw_noise` returns standard normal noise of the latents' shape."""
        self.draw_noise = draw_noise
        self.history: list[Array] = []
        self.predicted: Array | None = None
        """The finished latents that the latest output predicts: what a preview shows, and no state."""

    def scale_model_input(self, sample: Array, index: int) -> Array:  # noqa: ARG002
        """Return what the network reads in place of `sample` at step `index`."""
        return sample

    def steps_done(self, calls: int) -> int:
        """Return how many of `num_inference_steps` are complete after `calls` network calls."""
        return calls

    @abstractmethod
    def add_noise(self, original: Array, noise: Array, index: int = 0) -> Array:
        """Return the latents of a picture with noise of the level at which step `index` begins."""

    @abstractmethod
    def step(self, model_output: Array, index: int, sample: Array) -> Array:
        """Return the latents after step `index`."""
