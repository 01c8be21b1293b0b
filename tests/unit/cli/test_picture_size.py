"""Sizes from headers, compared with Pillow's."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagegen.generation.canvas import Canvas
from imagegen.generation.edit import Edit
from imagegen_cli.picture_size import mask_of_one_pixel, stored_size
from imagegen_cli.upscaling import REQUEST
from tests.support.pictures import FORMATS, file, noise, turned
from tests.support.scenes import picture


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (64, 48)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"exif": turned(6)}),
        ("JPEG", {"icc_profile": b"x" * 70_000}), ("WEBP", {}), ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": turned(6)}),
    ],
)  # fmt: skip
def test_the_size_is_that_of_the_header(kind: str, options: dict[str, Any], size: tuple[int, int]) -> None:
    assert stored_size(file(noise(*size), kind, **options)) == size


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_header_has_no_size(kind: str) -> None:
    data = file(noise(), kind)
    for length in range(3, 20):
        assert stored_size(data[:length]) is None
    assert stored_size(b"\xff\xd8\xff" + b"\xff" * 100) is None


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 3), (1000, 700)])
def test_the_mask_is_black_but_for_its_first_pixel(size: tuple[int, int]) -> None:
    mask = Image.open(io.BytesIO(mask_of_one_pixel(*size))).convert("L")
    assert mask.size == size
    assert mask.getpixel((0, 0)) == 255
    assert np.count_nonzero(np.asarray(mask)) == 1


@pytest.mark.parametrize(
    ("size", "output"),
    [((128, 128), (128, 128)), ((130, 122), (128, 120)), ((1024, 1024), (128, 128)), ((50, 40), (152, 120))],
)  # fmt: skip
def test_what_is_drawn_under_the_mask_does_not_show(size: tuple[int, int], output: tuple[int, int]) -> None:
    mask = Image.open(io.BytesIO(mask_of_one_pixel(*size))).convert("L")
    canvas = Canvas.of(Edit(picture(noise(*size)), 1.0, REQUEST["resize_mode"], picture(mask)), output)
    kept = np.asarray(canvas.keep(Image.new("RGB", output, (255, 0, 0))), dtype=int)
    differences = np.abs(kept - np.asarray(canvas.image, dtype=int)).max(axis=2)
    assert np.count_nonzero(differences[4:, :]) == np.count_nonzero(differences[:, 4:]) == 0
