"""Times of the steps of a generation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from PIL import Image

from imagegen.generation.ports import Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec
from tools.bench.instrument import Instrument, Request, TimedEngine


class AskingEngine:
    """Two steps, and a question after each and before the first one: whether the generation is still wanted."""

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        for step in (0, 0, 1, 1, 1, 2, 2):
            on_step(step, 2)
        return Generated([Image.new("RGB", (8, 8))], text_encode_s=0, denoise_s=0, decode_s=0, compile_s=0)

    def close(self) -> None:
        """Nothing is open."""


def test_questions_within_a_step_are_no_steps() -> None:
    instrument = cast("Instrument", SimpleNamespace(request=Request()))
    reported: list[int] = []
    TimedEngine(AskingEngine(), instrument).generate(cast("Any", None), lambda step, of: reported.append(step))
    assert len(instrument.request.steps) == 2
    assert reported == [0, 0, 1, 1, 1, 2, 2]
