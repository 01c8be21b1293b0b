"""Prompt weights on both engines: the syntax is not drawn, and a word with more weight shows more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.torch_engine import TorchEngine
from imagegen.generation.ports import Engine
from tests.model.test_engine_contract import draw

RED = "a red circle on a white background"


def redness(engine: Engine, prompt: str) -> float:
    """Return how much redder than blue the picture is, 0 to 255, where it is not the white background."""
    (pixels,) = draw(engine, prompt=prompt, num_inference_steps=8)
    colors = np.frombuffer(pixels, dtype=np.uint8).reshape(-1, 3).astype(float)
    drawn = colors[np.abs(colors - 244).sum(axis=1) > 120]
    return float((drawn[:, 0] - drawn[:, 2]).mean())


@pytest.mark.parametrize(
    "prompt", ["a (red:1.0) circle on a white background", "a (red:9) circle on a white background"]
)
def test_the_syntax_is_not_drawn(engine: Engine, prompt: str) -> None:
    assert draw(engine, prompt=prompt) == draw(engine, prompt=RED)


def test_an_escaped_bracket_is_drawn_as_text(engine: Engine) -> None:
    assert draw(engine, prompt=r"\(red:1.5\) circle") != draw(engine, prompt="(red:1.5) circle")


@pytest.mark.parametrize("fields", [{"prompt": "a (red:1.5) circle on a white background"},
                                    {"negative_prompt": "a (blue:1.5) star", "guidance_scale": 3.0}])  # fmt: skip
def test_a_weight_changes_the_picture_and_not_the_next_one(engine: Engine, fields: dict[str, Any]) -> None:
    plain = {name: value.translate(str.maketrans("", "", "(:1.5)")) if isinstance(value, str) else value
             for name, value in fields.items()}  # fmt: skip
    before = draw(engine, **plain)
    assert draw(engine, **fields) != before
    assert draw(engine, **plain) == before


def test_a_word_with_more_weight_shows_more(engine: Engine) -> None:
    red, blue = (redness(engine, f"a (red:{red}) (blue:{blue}) circle on a white background")
                 for red, blue in ((2, 0.2), (0.2, 2)))  # fmt: skip
    assert red > blue + 60


def test_both_engines_weigh_the_same_tokens(torch_engine: TorchEngine, openvino_engine: OpenVINOEngine) -> None:
    prompt = "two ((blue)) squares, a (gree:0.5)n star and [something unknown:1.5] (0:0)"
    one, other = (np.frombuffer(draw(each, prompt=prompt)[0], dtype=np.uint8).astype(int)
                  for each in (torch_engine, openvino_engine))  # fmt: skip
    assert np.abs(one - other).max() <= 3


@pytest.mark.parametrize("prompt", ["(a red circle:0)", "(a red circle on a white background:2)", "()", "[[[[[a]]]]]"])
def test_extreme_weights_give_a_picture(engine: Engine, prompt: str) -> None:
    assert draw(engine, prompt=prompt)


def test_words_beyond_the_window_have_no_weight_to_apply(engine: Engine) -> None:
    long = "red " * 40
    generated = draw(engine, prompt=f"{long}(blue:2)")
    assert generated == draw(engine, prompt=f"{long}blue")
