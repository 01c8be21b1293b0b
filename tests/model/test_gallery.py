"""The pictures of docs/gallery.md are what both engines draw, and all of them are in it."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from imagegen.catalog import auxiliary
from imagegen.engines.postprocessing import Postprocessor
from imagegen.generation.ports import Engine
from tests.conftest import MODELS, ROOT
from tools.gallery import DRAWINGS, INPUTS, OUT, draw

POSTPROCESSOR = Postprocessor(auxiliary.prepared(MODELS), threads=1)
PAGE = ROOT / "docs" / "gallery.md"
MOST_BYTES, MOST_BYTES_IN_ALL = 60_000, 400_000


def stored(name: str) -> Image.Image:
    return Image.open(OUT / name)


def pixels(image: Image.Image) -> NDArray[np.int_]:
    return np.asarray(image, dtype=int)


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_what_is_stored(name: str) -> None:
    assert np.array_equal(pixels(INPUTS[name]()), pixels(stored(name)))


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_is_what_an_engine_draws(engine: Engine, name: str) -> None:
    """Processors and engines differ by a level here and there."""
    drawn = Image.open(io.BytesIO(draw(DRAWINGS[name], engine, POSTPROCESSOR, OUT)))
    assert (drawn.mode, drawn.size) == (stored(name).mode, stored(name).size)
    difference = np.abs(pixels(drawn) - pixels(stored(name)))
    assert difference.mean() < 0.5
    assert np.percentile(difference, 99.9) <= 16


def test_the_product_is_kept_to_the_pixel() -> None:
    kept = pixels(stored("product-mask.png")) == 0
    assert np.array_equal(pixels(stored("scene.png"))[kept], pixels(stored("product.png"))[kept])
    assert stored("scene-2x.png").size == (256, 256)


def test_the_page_shows_every_picture_and_no_other() -> None:
    shown = set(re.findall(r"gallery/([\w.-]+\.(?:png|webp))", PAGE.read_text()))
    assert shown == {*INPUTS, *DRAWINGS} == {file.name for file in OUT.iterdir()}


def test_the_pictures_are_small() -> None:
    sizes = [file.stat().st_size for file in OUT.iterdir()]
    assert max(sizes) <= MOST_BYTES
    assert sum(sizes) <= MOST_BYTES_IN_ALL
