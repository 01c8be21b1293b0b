"""The output size of an edit: as asked, or the model's size that is nearest to the picture's. Pure."""

from __future__ import annotations

from typing import Final

from imagegen.catalog.registry import ModelLimits

_MULTIPLE: Final = 8
Size = tuple[int, int]
"""Width and height in pixels."""


def size_for(picture: Size, width: int | None, height: int | None, limits: ModelLimits) -> Size:
    """Return the asked size; a side that is left out follows from the picture's aspect ratio."""
    if width is not None and height is not None:
        return width, height
    if width is not None:
        return width, _legal(width * picture[1] / picture[0], limits)
    if height is not None:
        return _legal(height * picture[0] / picture[1], limits), height
    return _nearest(picture, limits)


def _nearest(picture: Size, limits: ModelLimits) -> Size:
    """Scale down to the longest side, then up to the shortest one. A picture longer than both allow is cropped."""
    scale = min(1.0, limits.max_size / max(picture))
    scale = max(scale, limits.min_size / min(picture))
    return _legal(picture[0] * scale, limits), _legal(picture[1] * scale, limits)


def _legal(side: float, limits: ModelLimits) -> int:
    """Return the nearest multiple of 8 within the limits, which are multiples of 8."""
    return min(max(round(side / _MULTIPLE) * _MULTIPLE, limits.min_size), limits.max_size)
