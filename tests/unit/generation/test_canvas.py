"""The picture of an edit at the output's size, and what its mask keeps."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from imagegen.errors import ImageInvalid, MaskEmpty, MaskSizeMismatch
from imagegen.generation.canvas import Canvas
from imagegen.generation.edit import Edit, Picture
from imagegen.generation.request import ResizeMode
from tests.support.scenes import BLUE, RED, WHITE, Box, mask, picture, scene

DRAWN = Image.new("RGB", (128, 128), RED)


def canvas(
    image: Image.Image, masked: Image.Image | None = None, size: tuple[int, int] = (128, 128), mode: ResizeMode = "crop"
) -> Canvas:
    return Canvas.of(Edit(picture(image), 0.5, mode, picture(masked) if masked else None), size)


def test_a_picture_of_the_size_is_not_resampled() -> None:
    assert canvas(scene()).image.tobytes() == scene().tobytes()


def test_without_a_mask_all_of_it_is_drawn() -> None:
    assert canvas(scene()).keep(DRAWN) is DRAWN


@pytest.mark.parametrize("box", [(0, 0, 128, 40), (30, 30, 90, 90), (0, 0, 127, 128), (60, 0, 61, 128)])
def test_black_is_kept_to_the_pixel_and_white_is_drawn(box: Box) -> None:
    kept = np.asarray(canvas(scene(), mask(box)).keep(DRAWN))
    black = np.asarray(mask(box)) == 0
    assert np.array_equal(kept[black], np.asarray(scene())[black])
    inner = (slice(box[1] + 2, box[3] - 2), slice(box[0] + 2, box[2] - 2))
    assert (kept[inner] == RED).all()


def test_the_edge_blends_over_two_pixels_inside_the_mask() -> None:
    kept = canvas(Image.new("RGB", (128, 128), (0, 0, 0)), mask((64, 0, 128, 128)))
    row = np.asarray(kept.keep(Image.new("RGB", (128, 128), (255, 255, 255))))[50, :, 0]
    assert row[62:68].tolist() == [0, 0, 85, 170, 255, 255]
    assert row[127] == 255  # the border of the picture is no edge


def test_what_is_repainted_leaves_no_halo() -> None:
    """The edge blends into the blue of what is kept, not into the white around it that is to go."""
    image = scene(background=WHITE, square=BLUE)
    repainted = Image.new("L", (128, 128), 255)
    repainted.paste(0, (32, 32, 96, 96))
    kept = np.asarray(canvas(image, repainted).keep(DRAWN), dtype=int)
    assert (kept[32:96, 32:96] == BLUE).all()
    assert [kept[64, column].tolist() for column in (95, 98)] == [list(BLUE), list(RED)]
    for column, of_red in ((96, 1 / 3), (97, 2 / 3)):
        assert np.abs(kept[64, column] - (np.array(RED) * of_red + np.array(BLUE) * (1 - of_red))).max() <= 1


def test_grey_in_a_mask_blends_as_it_says() -> None:
    grey = Image.new("L", (128, 128), 128)
    kept = canvas(Image.new("RGB", (128, 128), (0, 0, 0)), grey).keep(Image.new("RGB", (128, 128), (255, 255, 255)))
    assert np.asarray(kept)[64, 64].tolist() == [128, 128, 128]


def test_a_soft_edge_blends_into_the_pictures_own_pixels() -> None:
    soft = Image.new("L", (128, 128), 0)
    soft.paste(128, (64, 0, 66, 128))
    soft.paste(255, (66, 0, 128, 128))
    image = Image.new("RGB", (128, 128), BLUE)
    image.paste(WHITE, (64, 0, 128, 128))
    kept = canvas(image, soft).kept
    assert kept is not None
    assert (np.asarray(kept)[:, 64:] == WHITE).all()
    assert (np.asarray(kept)[:, :64] == BLUE).all()


def test_a_picture_of_another_aspect_ratio_is_cropped_fitted_or_stretched() -> None:
    wide = Image.new("RGB", (256, 128), BLUE)
    wide.paste(RED, (0, 0, 64, 128))  # the left quarter
    cropped, fitted, stretched = (np.asarray(canvas(wide, mode=mode).image) for mode in ("crop", "fit", "stretch"))
    assert (cropped == BLUE).all()
    assert fitted[64, 20].tolist() == list(RED)
    assert fitted[2, 20].tolist() == list(RED)  # borders continue the picture
    assert fitted[2, 60].tolist() == list(BLUE)
    assert stretched[64, 25].tolist() == list(RED)
    assert stretched[64, 40].tolist() == list(BLUE)


def test_a_mask_repaints_the_borders_of_a_fitted_picture() -> None:
    wide, masked = Image.new("RGB", (256, 128), BLUE), mask((0, 0, 128, 128), (256, 128))
    kept = np.asarray(canvas(wide, masked, mode="fit").keep(DRAWN))
    assert (kept[:30] == RED).all()
    assert (kept[98:] == RED).all()
    assert (kept[34:94, 66:] == BLUE).all()
    assert (kept[34:94, :60] == RED).all()


def test_a_mask_follows_its_picture_when_both_are_cropped() -> None:
    image, masked = Image.new("RGB", (256, 128), WHITE), Image.new("L", (256, 128), 0)
    masked.paste(255, (192, 0, 256, 128))  # cut off
    with pytest.raises(MaskEmpty):
        canvas(image, masked)
    masked.paste(255, (100, 0, 128, 128))
    kept = np.asarray(canvas(image, masked).keep(DRAWN))
    assert (kept[:, 38:62] == RED).all()
    assert (kept[:, 64:] == WHITE).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 7), (4000, 30), (30, 4000), (300, 200), (511, 631)])
@pytest.mark.parametrize("mode", ["crop", "fit", "stretch"])
def test_every_size_reaches_the_output(size: tuple[int, int], mode: ResizeMode) -> None:
    found = canvas(Image.new("RGB", size, BLUE), Image.new("L", size, 255), (144, 120), mode)
    assert found.image.size == (144, 120)
    assert (np.asarray(found.image) == BLUE).all()
    assert found.weights is not None
    assert found.weights.getextrema() == (255, 255)


def test_bad_files_are_refused() -> None:
    with pytest.raises(MaskEmpty):
        canvas(scene(), mask((0, 0, 0, 0)))
    with pytest.raises(MaskSizeMismatch):
        canvas(scene(), mask((0, 0, 8, 8), (128, 120)))
    truncated = Picture.of(picture(scene()).data[:-100], (128, 128))
    with pytest.raises(ImageInvalid):
        Canvas.of(Edit(truncated, 0.5, "crop"), (128, 128))
