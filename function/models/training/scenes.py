"""The demo model's domain: scenes of one or two flat shapes, with captions and images.

Pillow draws a scene and one English sentence describes it, so a program can check an image generated from the sentence
by its pixels. Lengths are fractions of the image's width.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

SIZE = 128
"""Width and height of an image, in pixels."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "green": (40, 170, 70),
    "blue": (50, 90, 220),
    "yellow": (245, 210, 50),
    "purple": (140, 60, 180),
    "orange": (245, 140, 40),
    "black": (25, 25, 25),
    "white": (245, 245, 245),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "ring")
SIZES = ("small", "plain", "large")
RELATIONS = ("above", "below", "left of", "right of")

# With maximum jitter, two of the largest objects still are 5 % apart and 6 % from the border.
EXTENT_ALONE = {"small": 0.26, "plain": 0.38, "large": 0.52}
EXTENT_IN_PAIR = {"small": 0.22, "plain": 0.28, "large": 0.35}
PAIR_CENTRES = (0.27, 0.73)
JITTER_EXTENT = 0.03
JITTER_ALONE = 0.06
JITTER_ALONG_PAIR = 0.025
JITTER_ACROSS_PAIR = 0.06

SUPERSAMPLING = 4


@dataclass(frozen=True)
class Thing:
    """One object of a scene."""

    size: str
    colour: str
    shape: str

    def words(self) -> str:
        """Return the noun phrase, such as "a small red circle"."""
        size = "" if self.size == "plain" else f"{self.size} "
        phrase = f"{size}{self.colour} {self.shape}"
        return f"{_article(phrase)} {phrase}"


@dataclass(frozen=True)
class Scene:
    """One object, or `first` in `relation` to `second`, on a background colour."""

    first: Thing
    background: str
    second: Thing | None = None
    relation: str | None = None

    def caption(self) -> str:
        """Return the canonical description."""
        subject = self.first.words()
        if self.second is not None:
            subject += f" {self.relation} {self.second.words()}"
        return f"{subject} on {_article(self.background)} {self.background} background"

    def paraphrase(self, rng: random.Random) -> str:
        """Return a random variation of the caption, as a user might type it. It may omit a white background."""
        text = self.caption()
        if self.background == "white" and rng.random() < 0.5:
            text = text.removesuffix(" on a white background")
        if rng.random() < 0.3:
            text = text.replace(" left of ", " to the left of ").replace(" right of ", " to the right of ")
        if rng.random() < 0.2:
            text = text.removeprefix("an ").removeprefix("a ")
        if rng.random() < 0.2:
            text += "."
        return text

    def held_out(self) -> bool:
        """Whether the scene is excluded from training: 10 % of all scenes, selected by the SHA-256 of the caption."""
        return hashlib.sha256(self.caption().encode()).digest()[0] % 10 == 0


@dataclass(frozen=True)
class Placed:
    """An object with its centre and extent, the side of its bounding box."""

    thing: Thing
    x: float
    y: float
    extent: float


def _article(phrase: str) -> str:
    return "an" if phrase[0] in "aeiou" else "a"


def random_scene(rng: random.Random, *, two: bool, held_out: bool) -> Scene:
    """Return a random scene with one object, or with two, from the training set or from the held-out set."""
    while True:
        background = rng.choice(tuple(COLOURS))
        if two:
            scene = Scene(
                _random_thing(rng, background), background, _random_thing(rng, background), rng.choice(RELATIONS)
            )
        else:
            scene = Scene(_random_thing(rng, background), background)
        if scene.held_out() == held_out:
            return scene


def _random_thing(rng: random.Random, background: str) -> Thing:
    colour = rng.choice([name for name in COLOURS if name != background])
    return Thing(rng.choice(SIZES), colour, rng.choice(SHAPES))


def place(scene: Scene, rng: random.Random) -> list[Placed]:
    """Choose positions and extents. Objects never touch each other or the border."""

    def jitter(limit: float) -> float:
        return rng.uniform(-limit, limit)

    if scene.second is None:
        extent = EXTENT_ALONE[scene.first.size] * (1 + jitter(JITTER_EXTENT))
        return [Placed(scene.first, 0.5 + jitter(JITTER_ALONE), 0.5 + jitter(JITTER_ALONE), extent)]
    near, far = PAIR_CENTRES
    along_first, along_second = (near, far) if scene.relation in ("above", "left of") else (far, near)
    placed = []
    for thing, centre in ((scene.first, along_first), (scene.second, along_second)):
        along, across = centre + jitter(JITTER_ALONG_PAIR), 0.5 + jitter(JITTER_ACROSS_PAIR)
        x, y = (across, along) if scene.relation in ("above", "below") else (along, across)
        placed.append(Placed(thing, x, y, EXTENT_IN_PAIR[thing.size] * (1 + jitter(JITTER_EXTENT))))
    return placed


def draw(scene: Scene, rng: random.Random, size: int = SIZE) -> Image.Image:
    """Return an RGB image of `size` x `size` pixels with anti-aliased edges."""
    picture = Image.new("RGB", (size, size), COLOURS[scene.background])
    for placed in place(scene, rng):
        mask, corner = shape_mask(placed, size)
        picture.paste(COLOURS[placed.thing.colour], corner, mask)
    return picture


def shape_mask(placed: Placed, size: int = SIZE) -> tuple[Image.Image, tuple[int, int]]:
    """Return the object's coverage mask (mode L), cropped to the object, and the crop's upper left corner in pixels."""
    half = placed.extent * size / 2
    left, top = math.floor(placed.x * size - half), math.floor(placed.y * size - half)
    side = math.ceil(2 * half) + 2
    canvas = Image.new("L", (side * SUPERSAMPLING, side * SUPERSAMPLING))
    pen = ImageDraw.Draw(canvas)
    centre_x, centre_y = placed.x * size - left, placed.y * size - top

    def to_canvas(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [((centre_x + x * half) * SUPERSAMPLING, (centre_y + y * half) * SUPERSAMPLING) for x, y in points]

    pen.polygon(to_canvas(OUTLINES[placed.thing.shape]), fill=255)
    if placed.thing.shape == "ring":
        pen.polygon(to_canvas([(x / 2, y / 2) for x, y in OUTLINES["circle"]]), fill=0)
    return canvas.resize((side, side), Image.Resampling.BOX), (left, top)


def _fit(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Centre an outline and scale it to [-1, 1], keeping its aspect ratio."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    middle_x, middle_y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    half = max(max(xs) - min(xs), max(ys) - min(ys)) / 2
    return [((x - middle_x) / half, (y - middle_y) / half) for x, y in points]


def _circle() -> list[tuple[float, float]]:
    return [(math.cos(2 * math.pi * i / 96), math.sin(2 * math.pi * i / 96)) for i in range(96)]


def _star() -> list[tuple[float, float]]:
    radii = (1.0, 0.4)
    angles = [-math.pi / 2 + i * math.pi / 5 for i in range(10)]
    return [(radii[i % 2] * math.cos(a), radii[i % 2] * math.sin(a)) for i, a in enumerate(angles)]


def _heart() -> list[tuple[float, float]]:
    # The curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t (mathworld: Heart Curve).
    turns = [2 * math.pi * i / 96 for i in range(96)]
    return [
        (16 * math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)))
        for t in turns
    ]


OUTLINES: dict[str, list[tuple[float, float]]] = {
    "circle": _circle(),
    "ring": _circle(),
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": _fit([(0, -math.sqrt(3) / 2), (1, math.sqrt(3) / 2), (-1, math.sqrt(3) / 2)]),
    "star": _fit(_star()),
    "heart": _fit(_heart()),
}
"""Polygons within [-1, 1] on both axes; y points down."""
