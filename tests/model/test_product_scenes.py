"""A product's photo becomes a scene, and the tool that measures it notices where it does not.

A sample of what `make demo-accuracy JUDGE=product` measures.
"""

from __future__ import annotations

import numpy as np
import pytest

from imagegen.catalog import auxiliary
from imagegen.engines.postprocessing import Postprocessor
from imagegen.generation.ports import Engine, Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec
from models.training.scenes import COLOURS
from tests.conftest import MODELS
from tools.accuracy import product_scenes
from tools.accuracy.product_scenes import outcomes, photos

SAMPLE = 8
POSTPROCESSOR = Postprocessor(auxiliary.prepared(MODELS), threads=1)


class Copier:
    """An engine that returns the photo, white surroundings and all, with a red corner that the mask does not keep."""

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        assert spec.canvas is not None
        image = spec.canvas.image.copy()
        image.paste(COLOURS["red"], (0, 0, 8, 8))
        return Generated([image], text_encode_s=0, denoise_s=0, decode_s=0)

    def close(self) -> None:
        pass


def test_the_products_pixels_are_kept_and_its_background_is_as_asked(engine: Engine) -> None:
    found = list(outcomes(engine, POSTPROCESSOR, SAMPLE))
    assert [each.kept for each in found] == [True] * SAMPLE
    assert sum(each.background for each in found) >= 0.9 * SAMPLE
    assert all(each.enlarged.size == (256, 256) for each in found)
    assert all(each.enlarged_difference < 8 for each in found)


def test_the_photo_on_white_is_no_scene(capsys: pytest.CaptureFixture[str]) -> None:
    found = list(outcomes(Copier(), POSTPROCESSOR, 2))
    assert [(each.kept, each.background) for each in found] == [(True, False)] * 2
    assert not product_scenes.print_table([("copier", Copier())], POSTPROCESSOR, count=2)
    printed = capsys.readouterr().out
    assert "| copier | 2 | 2 |" in printed
    assert "| 0 | 0 | 2, 1.8 missed |" in printed


def test_a_product_that_was_changed_is_noticed() -> None:
    (photo,) = photos(1)
    changed = photo.image.copy()
    left, top, right, bottom = photo.mask.point(lambda level: 255 - level).getbbox() or (0, 0, 0, 0)
    middle = ((left + right) // 2, (top + bottom) // 2)
    assert photo.mask.getpixel(middle) == 0
    changed.putpixel(middle, (1, 2, 3))
    judged = product_scenes._judged(photo, changed, photo.image.resize((256, 256)))
    assert not judged.kept


def test_the_mask_keeps_the_product_without_its_edge() -> None:
    for photo in photos(SAMPLE):
        kept = np.asarray(photo.mask) == 0
        product = np.asarray(photo.image)[kept]
        assert kept.sum() > 100
        own = (product == COLOURS[photo.scene.first.colour]).all(axis=1)
        assert own.mean() > 0.99  # the notch of a heart is narrower than the margin
