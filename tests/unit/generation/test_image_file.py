from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from imagegen.generation.image_file import CONTENT_TYPES, encode
from imagegen.generation.request import OutputFormat
from imagegen.generation.spec import GenerationSpec
from tests.support import plans

PROMPT = "ein roter Kreis 赤い円"


@pytest.fixture
def spec() -> GenerationSpec:
    return plans.spec(PROMPT, seed=7)


@pytest.fixture
def image() -> Image.Image:
    return Image.linear_gradient("L").convert("RGB")


def test_the_file_contains_its_parameters(image: Image.Image, spec: GenerationSpec) -> None:
    opened = Image.open(io.BytesIO(encode(image, spec, 2, embed_prompt=True)))
    assert opened.info["prompt"] == PROMPT
    assert (opened.info["seed"], opened.info["model"], opened.info["scheduler"]) == ("9", "demo", "ddim")
    assert opened.tobytes() == image.tobytes()


def test_the_prompt_can_be_omitted(image: Image.Image, spec: GenerationSpec) -> None:
    body = encode(image, spec, 0, embed_prompt=False)
    assert "prompt" not in Image.open(io.BytesIO(body)).info
    assert PROMPT.encode() not in body


@pytest.mark.parametrize("output_format", CONTENT_TYPES)
def test_each_format_has_its_content_type_and_is_reproducible(
    image: Image.Image, spec: GenerationSpec, output_format: OutputFormat
) -> None:
    spec = replace(spec, output_format=output_format)
    body = encode(image, spec, 0, embed_prompt=True)
    opened = Image.open(io.BytesIO(body))
    assert Image.MIME[opened.format or ""] == CONTENT_TYPES[output_format]
    assert opened.size == image.size
    assert encode(image, spec, 0, embed_prompt=True) == body
