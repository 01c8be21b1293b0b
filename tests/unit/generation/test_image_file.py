from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from imagegen.generation.image_file import CONTENT_TYPES, encode
from imagegen.generation.infotext import infotext
from imagegen.generation.request import OutputFormat
from imagegen.generation.spec import GenerationSpec
from tests.support import plans

PROMPT = "ein roter Kreis 赤い円"


def parameters_of(body: bytes) -> str:
    """Read the infotext as web UIs do: the chunk `parameters`, or the EXIF tag UserComment."""
    opened = Image.open(io.BytesIO(body))
    if opened.format == "PNG":
        return str(opened.info["parameters"])
    comment: bytes = opened.getexif().get_ifd(IFD.Exif)[Base.UserComment]
    return comment.removeprefix(b"UNICODE\0").decode("utf-16-be")


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


@pytest.mark.parametrize("output_format", CONTENT_TYPES)
@pytest.mark.parametrize("prompt", [PROMPT, "a red circle"])
def test_every_format_has_the_parameters_that_other_tools_read(
    image: Image.Image, output_format: OutputFormat, prompt: str
) -> None:
    spec = plans.spec(prompt, seed=7, output_format=output_format)
    body = encode(image, spec, 2, embed_prompt=True)
    assert parameters_of(body) == infotext(spec, 2, embed_prompt=True)


def test_ascii_is_in_the_chunks_that_every_reader_knows(image: Image.Image) -> None:
    body = encode(image, plans.spec("a red circle"), 0, embed_prompt=True)
    assert b"tEXtparameters\0a red circle\nSteps: " in body
    assert b"iTXt" not in body


@pytest.mark.parametrize("output_format", CONTENT_TYPES)
def test_the_prompt_can_be_omitted(image: Image.Image, output_format: OutputFormat) -> None:
    body = encode(image, plans.spec(PROMPT, output_format=output_format), 0, embed_prompt=False)
    assert "prompt" not in Image.open(io.BytesIO(body)).info
    assert parameters_of(body).startswith("Steps: ")
    assert not [each for each in ("utf-8", "utf-16-be", "utf-16-le") if PROMPT.encode(each) in body]


@pytest.mark.parametrize("output_format", CONTENT_TYPES)
def test_each_format_has_its_content_type_and_is_reproducible(image: Image.Image, output_format: OutputFormat) -> None:
    spec = plans.spec(PROMPT, output_format=output_format)
    body = encode(image, spec, 0, embed_prompt=True)
    opened = Image.open(io.BytesIO(body))
    assert Image.MIME[opened.format or ""] == CONTENT_TYPES[output_format]
    assert opened.size == image.size
    assert encode(image, spec, 0, embed_prompt=True) == body


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_quality_sets_the_size_of_a_lossy_file(image: Image.Image, output_format: OutputFormat) -> None:
    noise = image.effect_spread(40)
    fields: list[dict[str, Any]] = [{"output_quality": 1}, {"output_quality": 50}, {}, {"output_quality": 100}]
    sizes = [
        len(encode(noise, plans.spec(output_format=output_format, **each), 0, embed_prompt=False)) for each in fields
    ]
    assert sizes == sorted(set(sizes))
