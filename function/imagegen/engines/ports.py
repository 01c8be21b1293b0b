"""What batching needs from an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from imagegen.generation.ports import Engine, Generated, OnStep
from imagegen.generation.spec import GenerationSpec


class BatchEngine(Engine, Protocol):
    """An engine that is faster when it generates several images in one call."""

    def generate_batch(self, specs: Sequence[GenerationSpec], on_step: OnStep) -> list[Generated]:
        """Generate specs of one shape in one call. `on_step` counts the steps of a single image."""
