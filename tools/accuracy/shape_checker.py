"""Check by its pixels whether an image shows the scene in its caption.

Covered: background color, number of objects, color and shape of each, their relation. Not covered: the size words, and
anything other than the flat shapes that the demo model is trained on.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.training.scenes import COLOURS, SHAPES, Placed, Scene, Thing, shape_mask

Mask = NDArray[np.bool_]

FOREGROUND_DISTANCE = 45.0
"""Least RGB distance of a foreground pixel from the background; yellow and orange, the closest colors, are 71 apart."""
MIN_AREA = 0.006
"""Share of the image below which an area is a speck, not an object; the smallest star covers 1.2 %."""
MIN_OVERLAP = 0.65
"""Intersection over union with the reference shape, stretched to the same box, below which an area has no shape.

The largest overlap decides the shape. A star of 28 pixels, half of them edge, reaches 0.65 to 0.75 when a person sees a
star."""
TEMPLATE_SIZE = 128


@dataclass(frozen=True)
class Detected:
    """An object found in the image."""

    colour: str
    shape: str | None
    """None if no shape fits."""
    x: float
    """Center of the bounding box in pixels."""
    y: float


@dataclass(frozen=True)
class Verdict:
    """Which parts of the caption the image matches."""

    background: bool
    objects: bool
    relation: bool
    """True if the caption has no relation."""

    @property
    def right(self) -> bool:
        """Whether the image matches the whole caption."""
        return self.background and self.objects and self.relation


def judge(image: Image.Image, scene: Scene) -> Verdict:
    """Compare an image with the scene of its caption."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = np.median(border, axis=0)
    detected = detect(pixels, background)
    expected = [scene.first] if scene.second is None else [scene.first, scene.second]
    orders = [order for order in itertools.permutations(detected) if _same_things(order, expected)]
    return Verdict(
        background=_nearest_colour(background) == scene.background,
        objects=bool(orders),
        relation=scene.relation is None or any(_related(first, second, scene.relation) for first, second in orders),
    )


def detect(pixels: NDArray[np.float64], background: NDArray[np.float64]) -> list[Detected]:
    """Return the objects in an image: connected areas that differ from the background."""
    foreground = np.linalg.norm(pixels - background, axis=2) > FOREGROUND_DISTANCE
    areas = [area for area in _connected(foreground) if area.sum() > MIN_AREA * foreground.size]
    return [_describe(pixels, area) for area in areas]


def _same_things(detected: tuple[Detected, ...], expected: list[Thing]) -> bool:
    pairs = [(each.colour, each.shape) for each in detected]
    return pairs == [(thing.colour, thing.shape) for thing in expected]


def _related(first: Detected, second: Detected, relation: str) -> bool:
    right, down = second.x - first.x, second.y - first.y
    return {
        "above": down > abs(right),
        "below": -down > abs(right),
        "left of": right > abs(down),
        "right of": -right > abs(down),
    }[relation]


def _nearest_colour(colour: NDArray[np.float64]) -> str:
    return min(COLOURS, key=lambda name: float(np.linalg.norm(colour - np.array(COLOURS[name]))))


def _connected(mask: Mask) -> list[Mask]:
    """Return the four-connected areas of a mask."""
    remaining = mask.copy()
    areas = []
    while remaining.any():
        start = tuple(np.argwhere(remaining)[0])
        area = np.zeros_like(mask)
        queue = deque([start])
        remaining[start] = False
        while queue:
            y, x = queue.popleft()
            area[y, x] = True
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1] and remaining[near]:
                    remaining[near] = False
                    queue.append(near)
        areas.append(area)
    return areas


def _describe(pixels: NDArray[np.float64], area: Mask) -> Detected:
    rows, columns = np.where(area.any(axis=1))[0], np.where(area.any(axis=0))[0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return Detected(
        colour=_nearest_colour(np.median(pixels[area], axis=0)),
        shape=_recognise(area[top:bottom, left:right]),
        x=float(left + right) / 2,
        y=float(top + bottom) / 2,
    )


def _recognise(area: Mask) -> str | None:
    """Return the shape whose reference mask, stretched to the same box, overlaps most, or None if none fits."""
    overlaps = {shape: _overlap(area, _template(shape, *area.shape)) for shape in SHAPES}
    best = max(overlaps, key=overlaps.__getitem__)
    return best if overlaps[best] >= MIN_OVERLAP else None


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


@cache
def _template(shape: str, height: int, width: int) -> Mask:
    mask, _ = shape_mask(Placed(Thing("plain", "red", shape), 0.5, 0.5, 0.9), TEMPLATE_SIZE)
    box = mask.crop(mask.getbbox()).resize((width, height), Image.Resampling.BOX)
    return np.asarray(box) > 127
