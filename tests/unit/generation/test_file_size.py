"""The bound of a file's size holds for pictures of noise, the largest ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagegen.generation.file_size import METADATA_BYTES, largest_file
from imagegen.generation.image_file import encode
from tests.support import plans

LONGEST = "\U0001f534" * 2000


def noise(size: int, values: int) -> Image.Image:
    """Return a picture whose samples have that many different values; two are the hardest for JPEG."""
    samples = np.random.default_rng(1).integers(0, values, (size, size, 3)) * (255 // (values - 1))
    return Image.fromarray(samples.astype(np.uint8))


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("values", [2, 256])
@pytest.mark.parametrize(
    "fields",
    [
        {"output_format": "png"},
        *({"output_format": each, "output_quality": quality} for each in ("jpeg", "webp") for quality in (1, 95, 100)),
    ],
)
def test_no_file_is_larger(fields: dict[str, Any], values: int, size: int) -> None:
    spec = plans.sized(size, size, **fields)
    assert len(encode(noise(size, values), spec, 0, embed_prompt=True)) + METADATA_BYTES // 2 < largest_file(spec)


@pytest.mark.parametrize("size", [64, 256])
@pytest.mark.parametrize("values", [2, 256])
@pytest.mark.parametrize(
    "fields",
    [
        {"output_format": "png"},
        *({"output_format": "webp", "output_quality": quality} for quality in (1, 95, 100)),
    ],
)
def test_no_file_with_transparency_is_larger(fields: dict[str, Any], values: int, size: int) -> None:
    spec = plans.sized(size, size, background="transparent", **fields)
    image = noise(size, values)
    image.putalpha(noise(size, 256).getchannel("R"))
    assert len(encode(image, spec, 0, embed_prompt=True)) + METADATA_BYTES // 2 < largest_file(spec)


def test_the_bound_is_that_of_the_enlarged_file() -> None:
    assert largest_file(plans.spec(upscale=4)) == largest_file(plans.sized(512, 512))


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_the_longest_prompts_fit_into_the_metadata(output_format: str) -> None:
    image = Image.new("RGB", (64, 64))
    spec = plans.spec(LONGEST, negative_prompt=LONGEST, guidance_scale=2, output_format=output_format)
    with_prompts, without = (len(encode(image, spec, 0, embed_prompt=embed)) for embed in (True, False))
    assert with_prompts - without < METADATA_BYTES


def test_a_lossy_file_may_have_twice_the_pixels() -> None:
    png, jpeg = (largest_file(plans.spec(output_format=each)) for each in ("png", "jpeg"))
    assert png > 3 * 128 * 128 + METADATA_BYTES
    assert jpeg < 2 * 128 * 128 + METADATA_BYTES
