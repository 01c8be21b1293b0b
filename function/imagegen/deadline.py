"""How long a request may still take, and whether the work left fits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from imagegen.errors import GenerationTimeout
from imagegen.request import Generation

FINISHING_SECONDS = 1.0
"""Kept for decoding, storing and answering until a generation of the same size has been measured."""

STORING_SECONDS = 0.3
"""Kept for encoding, storing and signing one image, of which S3's own time is most."""


class Deadline:
    """A moment by which the answer must be out."""

    def __init__(self, left: Callable[[], float]):
        self.left = left
        """Seconds left; zero or less once it is over."""

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        end = time.monotonic() + seconds
        return cls(lambda: end - time.monotonic())

    def earlier(self, other: Deadline) -> Deadline:
        return Deadline(lambda: min(self.left(), other.left()))

    def require(self, seconds: float) -> None:
        """Raise GenerationTimeout unless more than `seconds` are left."""
        left = self.left()
        if left <= seconds:
            raise GenerationTimeout(f"{max(left, 0):.1f} s are left; the work needs about {seconds:.1f} s more.")


@dataclass(frozen=True)
class Measured:
    """Seconds of one denoising step, and of decoding and storing one image."""

    step_s: float
    finish_s: float


class Pace:
    """The least that generations of a model and size have taken here, to refuse only what cannot fit.

    Each environment keeps its own. Worker and generator run the same image at the same memory, but what is measured is
    the processor that Lambda gave this one, and a pace from elsewhere would refuse here what fits. A job's eta is of
    its own run only.
    Not covered: an environment that has measured nothing yet. There the first generation of a size is stopped at
    its deadline, and handed to the queue, rather than before it starts.
    """

    def __init__(self) -> None:
        self._measured: dict[tuple[object, ...], Measured] = {}
        self._loads: dict[str, float] = {}

    def of_load(self, model_id: str) -> float:
        """Seconds that loading and compiling took at least; 0 where it has not been seen."""
        return self._loads.get(model_id, 0.0)

    def record_load(self, model_id: str, seconds: float) -> None:
        self._loads[model_id] = min(self._loads.get(model_id, seconds), seconds)

    def of(self, generation: Generation) -> Measured:
        return self._measured.get(self._key(generation), Measured(0.0, FINISHING_SECONDS))

    def record(self, generation: Generation, measured: Measured) -> None:
        known = self._measured.get(self._key(generation), measured)
        least = Measured(min(known.step_s, measured.step_s), min(known.finish_s, measured.finish_s))
        self._measured[self._key(generation)] = least

    def doubt(self, generation: Generation) -> None:
        """Halve what was measured. Every refusal does, or one slow minute would refuse for as long as we live."""
        known = self.of(generation)
        self._measured[self._key(generation)] = Measured(known.step_s / 2, known.finish_s / 2)
        self._loads[generation.model_id] = self.of_load(generation.model_id) / 2

    @staticmethod
    def _key(generation: Generation) -> tuple[object, ...]:
        return generation.model_id, generation.width, generation.height, generation.guidance_scale > 1
