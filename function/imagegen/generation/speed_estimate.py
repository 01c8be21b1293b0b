"""How long a generation takes in this environment, as measured here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imagegen.generation.spec import GenerationSpec

FINISHING_SECONDS: Final = 1.0
"""Reserved for decoding, storing and responding until a generation of the same size has been measured."""

STORING_SECONDS: Final = 0.3
"""Reserved for encoding, storing and signing one image; mostly the latency of S3."""


@dataclass(frozen=True)
class Measured:
    """Seconds of one denoising step, and of decoding and storing one image."""

    step_s: float
    finish_s: float


class SpeedEstimate:
    """The fastest times seen here per model and size, so that only what cannot fit is rejected.

    Each environment has its own: Lambda's CPUs differ, so another environment's times could reject what fits here.
    Not covered: an environment that has measured nothing yet. Its first generation of a size is stopped at the deadline
    and requeued, instead of being rejected before it starts.
    """

    def __init__(self) -> None:
        self._measured: dict[tuple[object, ...], Measured] = {}
        self._loads: dict[str, float] = {}

    def load_s(self, model_id: str) -> float:
        """Return the shortest time, in seconds, that loading and compiling took; 0 if not measured yet."""
        return self._loads.get(model_id, 0.0)

    def record_load(self, model_id: str, seconds: float) -> None:
        """Keep `seconds` if no load was faster."""
        self._loads[model_id] = min(self._loads.get(model_id, seconds), seconds)

    def of(self, spec: GenerationSpec) -> Measured:
        """Return the fastest times for the model and size of `spec`; a default if not measured yet."""
        return self._measured.get(self._key(spec), Measured(0.0, FINISHING_SECONDS))

    def record(self, spec: GenerationSpec, measured: Measured) -> None:
        """Keep each of the two times if none was faster."""
        known = self._measured.get(self._key(spec), measured)
        fastest = Measured(min(known.step_s, measured.step_s), min(known.finish_s, measured.finish_s))
        self._measured[self._key(spec)] = fastest

    def halve(self, spec: GenerationSpec) -> None:
        """Halve the estimate. Done on each rejection; otherwise one slow minute would reject requests permanently."""
        known = self.of(spec)
        self._measured[self._key(spec)] = Measured(known.step_s / 2, known.finish_s / 2)
        self._loads[spec.model_id] = self.load_s(spec.model_id) / 2

    @staticmethod
    def _key(spec: GenerationSpec) -> tuple[object, ...]:
        return spec.model_id, spec.width, spec.height, spec.guidance_scale > 1
