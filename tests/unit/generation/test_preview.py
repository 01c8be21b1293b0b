"""Previews: latents as a small picture of bounded size."""

from __future__ import annotations

import numpy as np
import pytest

from imagegen.catalog.manifest import LatentColors
from imagegen.generation.checkpoint import Checkpoint
from imagegen.generation.preview import MAX_CHARACTERS, MAX_SIDE, Preview, data_url
from imagegen.generation.snapshot import Array, Snapshot
from tests.support.fakes import MemoryCheckpoints
from tests.support.pictures import of_data_url

COLORS = LatentColors(((90.0, 0.0, 0.0), (0.0, 90.0, 0.0), (0.0, 0.0, 90.0), (30.0, 30.0, 30.0)), (128.0, 128.0, 128.0))
"""Three channels are colors, the fourth is brightness."""


def latents(width: int = 16, height: int = 16) -> Array:
    """Return a red left half and a blue right half."""
    found = np.zeros((1, 4, height, width), np.float32)
    found[0, 0, :, : width // 2] = found[0, 2, :, width // 2 :] = 1.0
    return found


def noise(side: int) -> Array:
    """Return latents of the saturated colors that compress worst."""
    return np.random.RandomState(0).choice([-9.0, 9.0], (1, 4, side, side)).astype(np.float32)


def test_each_latent_is_a_pixel_of_the_color_that_the_model_gives_it() -> None:
    image = of_data_url(data_url(latents(24, 16), COLORS))
    assert image.size == (24, 16)
    expected = np.zeros((16, 24, 3)) + 128
    expected[:, :12, 0] = expected[:, 12:, 2] = 218
    assert np.abs(np.asarray(image) - expected)[:, [*range(9), *range(15, 24)]].max() < 8  # WebP blurs the edge


def test_what_is_beyond_the_levels_is_cut_off() -> None:
    image = of_data_url(data_url(latents() * 100 - 50, COLORS))
    assert np.asarray(image.convert("L")).min() < 40


@pytest.mark.parametrize("side", [1, 2, 15, 16, 64, 96, 128, 129, 256, 512])
def test_it_has_at_most_128_pixels_on_a_side_and_8000_characters(side: int) -> None:
    url = data_url(noise(max(side, 2)), COLORS)
    assert url is not None
    assert len(url) <= MAX_CHARACTERS
    assert max(of_data_url(url).size) <= MAX_SIDE


def test_a_smooth_picture_keeps_its_size_and_its_shape() -> None:
    assert of_data_url(data_url(latents(128, 96), COLORS)).size == (128, 96)
    assert of_data_url(data_url(latents(256, 128), COLORS)).size == (128, 64)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_picture_has_none(value: float) -> None:
    broken = latents()
    broken[0, 1, 3, 3] = value
    assert data_url(broken, COLORS) is None


def test_one_color_and_latents_of_another_model_have_none() -> None:
    assert data_url(np.ones((1, 4, 16, 16), np.float32), COLORS) is None
    assert data_url(np.ones((1, 16, 16, 16), np.float32), COLORS) is None


def checkpoint() -> Checkpoint:
    return Checkpoint(MemoryCheckpoints(), "key", may_exist=False, until_deadline=True, save_every_s=30)


def test_each_call_of_the_network_is_drawn_once_and_timed() -> None:
    times = iter([1.0, 1.25, 7.0, 7.5])
    run = checkpoint()
    preview = Preview(run, COLORS, clock=lambda: next(times))
    assert preview.draw() is None  # before the first call
    run.reached(lambda: Snapshot(1, predicted=latents()))
    first = preview.draw()
    assert first is not None
    assert preview.draw() is None
    run.reached(lambda: Snapshot(2, predicted=-latents()))
    assert preview.draw() not in (None, first)
    assert preview.spent_s == 0.75


def test_a_saved_checkpoint_is_still_drawn() -> None:
    run = checkpoint()
    run.reached(lambda: Snapshot(1, predicted=latents()))
    run.save()
    assert Preview(run, COLORS).draw() is not None


def test_a_model_without_colors_and_an_engine_without_a_prediction_show_nothing() -> None:
    run = checkpoint()
    run.reached(lambda: Snapshot(1, predicted=latents()))
    assert Preview(run, None).draw() is None
    run.reached(lambda: Snapshot(2))
    assert Preview(run, COLORS).draw() is None
