"""Tiles cover an image, have one size, and leave no seam."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.engines.tiling import LATENTS, Pixels, Tiling, tiling_of_latents

TILINGS = st.integers(2, 64).flatmap(lambda most: st.builds(Tiling, st.just(most), st.integers(0, most - 1)))


@given(TILINGS, st.integers(1, 600))
def test_tiles_of_one_size_cover_a_row_and_overlap_enough(tiling: Tiling, length: int) -> None:
    spans = tiling.spans(length)
    assert {span.stop - span.start for span in spans} == {tiling.side(length)}
    assert tiling.side(length) <= min(tiling.most, length)
    assert (spans[0].start, spans[-1].stop) == (0, length)
    assert all(left.stop - right.start >= tiling.overlap for left, right in pairwise(spans))


@pytest.mark.parametrize(
    ("length", "side", "starts"), [(64, 64, [0]), (65, 41, [0, 24]), (96, 56, [0, 40]), (128, 54, [0, 37, 74])]
)
def test_there_are_no_more_tiles_than_needed_and_they_are_small(length: int, side: int, starts: list[int]) -> None:
    assert LATENTS.side(length) == side
    assert [span.start for span in LATENTS.spans(length)] == starts


@given(TILINGS, st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 4, 8]))
def test_tiles_that_agree_give_the_whole_image(tiling: Tiling, height: int, width: int, scale: int) -> None:
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    enlarged = image.repeat(scale, axis=0).repeat(scale, axis=1)

    def draw(rows: slice, columns: slice) -> Pixels:
        return image[rows, columns].repeat(scale, axis=0).repeat(scale, axis=1)

    assert (tiling.compose(height, width, scale, draw) == enlarged).all()


def test_tiles_that_differ_fade_into_each_other() -> None:
    """Two tiles that differ by 120 levels fade over 16 rows of the input, 128 of the output: one level each."""
    tiling = Tiling(most=64, overlap=16)

    def draw(rows: slice, columns: slice) -> Pixels:
        level = 60 if rows.start == 0 else 180
        return np.full(((rows.stop - rows.start) * 8, (columns.stop - columns.start) * 8, 3), level, dtype=np.uint8)

    column = tiling.compose(96, 64, 8, draw)[:, 0, 0].astype(int)
    assert (column[0], column[-1]) == (60, 180)
    assert set(np.diff(column)) == {0, 1}


@pytest.mark.parametrize(
    ("width", "height", "tiles"),
    [(512, 512, 1), (1024, 256, 1), (128, 2048, 1), (520, 512, 2), (768, 768, 4), (1024, 1024, 9)],
)
def test_latents_are_decoded_in_tiles_above_512_x_512(width: int, height: int, tiles: int) -> None:
    tiling = tiling_of_latents(height // 8, width // 8)
    assert len(tiling.spans(height // 8)) * len(tiling.spans(width // 8)) == tiles
