"""Computes a large image in tiles that overlap, so that memory depends on the tile and not on the image.

All tiles of an image have the same size, because networks are compiled for fixed shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imagegen.engines.latent_edit import PIXELS_PER_LATENT
from imagegen.generation.spec import WHOLE_PIXELS

Pixels: TypeAlias = NDArray[np.uint8]
"""(height, width, channels)"""
Floats: TypeAlias = NDArray[np.float32]
"""(height, width, channels)"""

_WHOLE_LATENTS: Final = WHOLE_PIXELS // PIXELS_PER_LATENT**2


@dataclass(frozen=True)
class Tiling:
    """Tiles of at most `most` on a side that overlap by at least `overlap`; both in the network's input."""

    most: int
    overlap: int
    """Less than `most`."""

    def side(self, length: int) -> int:
        """Return the side of each tile of a row or column of `length`: the smallest that the same number allows."""
        count = self._count(length)
        return math.ceil((length + (count - 1) * self.overlap) / count)

    def spans(self, length: int) -> list[slice]:
        """Return the tiles of a row or column of `length`."""
        count, side = self._count(length), self.side(length)
        starts = [round(index * (length - side) / max(1, count - 1)) for index in range(count)]
        return [slice(start, start + side) for start in starts]

    def _count(self, length: int) -> int:
        return max(1, math.ceil((length - self.overlap) / (self.most - self.overlap)))

    def compose(self, height: int, width: int, scale: int, draw: Callable[[slice, slice], Pixels]) -> Pixels:
        """Return the image of a network whose input is `height` x `width` and whose output is `scale` times that.

        `draw` returns the output for rows and columns of the input. Where tiles overlap, one fades into the next.
        """
        if self._is_one_piece(height, width):
            return draw(slice(0, height), slice(0, width))
        return np.rint(self._faded_together((height * scale, width * scale, 3), scale, draw)).astype(np.uint8)

    def join(self, shape: tuple[int, int, int], compute: Callable[[slice, slice], Floats]) -> Floats:
        """Return an output of this shape, (height, width, channels), that has the size of the input.

        `compute` returns it for rows and columns. Tiles fade into each other as in `compose`.
        """
        if self._is_one_piece(*shape[:2]):
            return compute(slice(0, shape[0]), slice(0, shape[1]))
        return self._faded_together(shape, 1, compute)

    def _is_one_piece(self, height: int, width: int) -> bool:
        return self._count(height) == self._count(width) == 1

    def _faded_together(
        self, shape: tuple[int, int, int], scale: int, compute: Callable[[slice, slice], NDArray[Any]]
    ) -> Floats:
        """Return the tiles of an output of this shape as one."""
        height, width = shape[0] // scale, shape[1] // scale
        whole: Floats = np.zeros(shape, dtype=np.float32)
        for row, down in self._faded(self.spans(height), height, scale):
            for column, across in self._faded(self.spans(width), width, scale):
                weights = down[:, None, None] * across[None, :, None]
                whole[_scaled(row, scale), _scaled(column, scale)] += weights * compute(row, column)
        return whole

    def _faded(self, spans: list[slice], length: int, scale: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield each tile with the weight of each of its output pixels."""
        weights = _fades([_scaled(span, scale) for span in spans], length * scale, self.overlap * scale)
        return zip(spans, weights, strict=True)


LATENTS: Final = Tiling(most=64, overlap=16)
"""An autoencoder's normalizations see a whole tile, so tiles differ slightly: the overlap of 128 pixels hides that."""


def tiling_of_latents(height: int, width: int) -> Tiling:
    """Return how latents of this size are decoded, and how the picture that they stand for is encoded."""
    return LATENTS if height * width > _WHOLE_LATENTS else Tiling(most=max(height, width), overlap=0)


def _scaled(span: slice, scale: int) -> slice:
    return slice(span.start * scale, span.stop * scale)


def _fades(spans: list[slice], length: int, ramp: int) -> list[NDArray[np.float32]]:
    """Return the weights of each tile. They rise over `ramp` pixels; those of one pixel add up to 1."""
    (side,) = {span.stop - span.start for span in spans}
    rise: NDArray[np.float32] = np.linspace(0.5, side - 0.5, side, dtype=np.float32) / np.float32(max(1, ramp))
    trapezoid = np.minimum(np.float32(1), np.minimum(rise, rise[::-1]))
    total: NDArray[np.float32] = np.zeros(length, dtype=np.float32)
    for span in spans:
        total[span] += trapezoid
    return [(trapezoid / total[span]).astype(np.float32) for span in spans]
