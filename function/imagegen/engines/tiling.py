"""Computes a large image in tiles that overlap, so that memory depends on the tile and not on the image.

All tiles of an image have the same size, because networks are compiled for fixed shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
"""(height, width, channels)"""


@dataclass(frozen=True)
class Tiling:
    """Tiles of at most `most` on a side that overlap by at least `overlap`; both in the network's input."""

    most: int
    overlap: int
    """Less than half of `most`, so that at most two tiles of a row or column overlap."""

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
        rows, columns = self.spans(height), self.spans(width)
        if len(rows) == len(columns) == 1:
            return draw(rows[0], columns[0])
        composed = np.zeros((height * scale, width * scale, 3), dtype=np.float32)
        for row, fade_down in zip(rows, _fades(rows, scale), strict=True):
            for column, fade_across in zip(columns, _fades(columns, scale), strict=True):
                weights = fade_down[:, None, None] * fade_across[None, :, None]
                composed[_scaled(row, scale), _scaled(column, scale)] += weights * draw(row, column)
        return np.rint(composed).astype(np.uint8)


def _scaled(span: slice, scale: int) -> slice:
    return slice(span.start * scale, span.stop * scale)


def _fades(spans: list[slice], scale: int) -> list[NDArray[np.float32]]:
    """Return the weight of each output pixel of each tile; those of two tiles that overlap add up to 1."""
    fades = [np.ones((span.stop - span.start) * scale, dtype=np.float32) for span in spans]
    for index in range(len(spans) - 1):
        shared = (spans[index].stop - spans[index + 1].start) * scale
        ramp = ((np.arange(shared) + 0.5) / shared).astype(np.float32)
        fades[index][-shared:] = 1 - ramp
        fades[index + 1][:shared] = ramp
    return fades
