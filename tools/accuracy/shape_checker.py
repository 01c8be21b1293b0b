"""Judges a picture by its pixels: does it show the scene that its caption says?

Covered: background colour, number of objects, colour and shape of each, their relation. Not covered: the size words,
and anything that is not a flat shape of the demo model's world.
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
"""RGB distance at which a pixel stands out from the background; yellow and orange, the closest two, are 71 apart."""
SMALLEST_AREA = 0.006
"""Share of the picture under which a speck is no object; the smallest star covers 1.2 %."""
SMALLEST_OVERLAP = 0.65
"""Intersection over union with the drawn shape, stretched to the same box, under which a shape is a blob.

Which shape it is, the largest overlap decides. A star of 28 pixels, half of them edge, reaches 0.65 to 0.75 where a
person sees a star."""
TEMPLATE_SIZE = 128


@dataclass(frozen=True)
class Seen:
    """An object as the pixels show it: centre in pixels, `shape` None where nothing fits."""

    colour: str
    shape: str | None
    x: float
    y: float


@dataclass(frozen=True)
class Verdict:
    """Which parts of the caption the picture keeps; `relation` is true where the caption has none."""

    background: bool
    objects: bool
    relation: bool

    @property
    def right(self) -> bool:
        return self.background and self.objects and self.relation


def judge(picture: Image.Image, scene: Scene) -> Verdict:
    """Compare a picture with the scene of its caption."""
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float64)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = np.median(border, axis=0)
    seen = look(pixels, background)
    wanted = [scene.first] if scene.second is None else [scene.first, scene.second]
    orders = [order for order in itertools.permutations(seen) if _same_things(order, wanted)]
    return Verdict(
        background=_nearest_colour(background) == scene.background,
        objects=bool(orders),
        relation=scene.relation is None or any(_related(first, second, scene.relation) for first, second in orders),
    )


def look(pixels: NDArray[np.float64], background: NDArray[np.float64]) -> list[Seen]:
    """The objects in a picture: connected areas that stand out from the background."""
    foreground = np.linalg.norm(pixels - background, axis=2) > FOREGROUND_DISTANCE
    areas = [area for area in _connected(foreground) if area.sum() > SMALLEST_AREA * foreground.size]
    return [_describe(pixels, area) for area in areas]


def _same_things(seen: tuple[Seen, ...], wanted: list[Thing]) -> bool:
    pairs = [(one.colour, one.shape) for one in seen]
    return pairs == [(thing.colour, thing.shape) for thing in wanted]


def _related(first: Seen, second: Seen, relation: str) -> bool:
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
    """The four-connected areas of a mask."""
    left = mask.copy()
    areas = []
    while left.any():
        start = tuple(np.argwhere(left)[0])
        area = np.zeros_like(mask)
        queue = deque([start])
        left[start] = False
        while queue:
            y, x = queue.popleft()
            area[y, x] = True
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= near[0] < mask.shape[0] and 0 <= near[1] < mask.shape[1] and left[near]:
                    left[near] = False
                    queue.append(near)
        areas.append(area)
    return areas


def _describe(pixels: NDArray[np.float64], area: Mask) -> Seen:
    rows, columns = np.where(area.any(axis=1))[0], np.where(area.any(axis=0))[0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return Seen(
        colour=_nearest_colour(np.median(pixels[area], axis=0)),
        shape=_recognise(area[top:bottom, left:right]),
        x=float(left + right) / 2,
        y=float(top + bottom) / 2,
    )


def _recognise(area: Mask) -> str | None:
    """The shape whose drawn mask, stretched to the same box, overlaps most."""
    overlaps = {shape: _overlap(area, _template(shape, *area.shape)) for shape in SHAPES}
    best = max(overlaps, key=overlaps.__getitem__)
    return best if overlaps[best] >= SMALLEST_OVERLAP else None


def _overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


@cache
def _template(shape: str, height: int, width: int) -> Mask:
    mask, _ = shape_mask(Placed(Thing("plain", "red", shape), 0.5, 0.5, 0.9), TEMPLATE_SIZE)
    box = mask.crop(mask.getbbox()).resize((width, height), Image.Resampling.BOX)
    return np.asarray(box) > 127
