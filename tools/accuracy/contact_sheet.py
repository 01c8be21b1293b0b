"""One caption and seed at every number of steps on both engines: a contact sheet, and a verdict on each picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from imagegen.catalog.registry import REGISTRY
from imagegen.generation.ports import Engine
from models.training.scenes import Scene, Thing
from tools.accuracy.measure import specification
from tools.accuracy.shape_checker import judge
from tools.accuracy.table import print_header, print_row

SCENE: Final = Scene(Thing("plain", "blue", "star"), "yellow", Thing("large", "red", "heart"), "left of")
SEED: Final = 7
COLUMNS: Final = 20
TILE: Final = 48
"""Side of a picture on the sheet, in pixels."""
FRAME: Final = 2
TEXT: Final = 12
"""Height of a line of text, in pixels."""
CELL: Final = (TILE + 2 * FRAME, TILE + 2 * FRAME + TEXT)
WRONG: Final = (255, 0, 0)


@dataclass(frozen=True)
class Picture:
    """What an engine draws in `steps` steps."""

    steps: int
    image: Image.Image
    right: bool


def draw(engines: Iterable[tuple[str, Engine]], scheduler: str, path: Path) -> bool:
    """Write the sheet as PNG, and print the verdicts and the differences between the engines.

    Returns whether every picture from the model's default number of steps on is right.
    """
    defaults, limits = REGISTRY["demo"].defaults, REGISTRY["demo"].limits
    counts = range(1, limits.max_steps + 1)
    rows = {name: _pictures(engine, scheduler, counts) for name, engine in engines}
    sheet(rows).quantize(256).save(path, optimize=True)
    _print_pictures(rows)
    for name, pictures in rows.items():
        print(f"{name}, {scheduler}, {SCENE.caption()}, seed {SEED}: {summary(pictures)}")
    return all(each.right for row in rows.values() for each in row if each.steps >= defaults.num_inference_steps)


def sheet(rows: Mapping[str, Sequence[Picture]]) -> Image.Image:
    """Return the pictures of each engine below its name, COLUMNS side by side, each above its number of steps.

    Wrong ones have a red frame.
    """
    lines = -(-max(map(len, rows.values())) // COLUMNS)
    block = TEXT + lines * CELL[1]
    canvas = Image.new("RGB", (COLUMNS * CELL[0], len(rows) * block), "white")
    pen = ImageDraw.Draw(canvas)
    for row, (name, pictures) in enumerate(rows.items()):
        pen.text((FRAME, row * block), f"{name}, number of steps", fill="black")
        for index, each in enumerate(pictures):
            left, top = index % COLUMNS * CELL[0], row * block + TEXT + index // COLUMNS * CELL[1]
            frame = (left, top, left + CELL[0], top + CELL[0])
            canvas.paste("white" if each.right else WRONG, frame)
            canvas.paste(each.image.resize((TILE, TILE), Image.Resampling.BOX), (left + FRAME, top + FRAME))
            pen.text((left + FRAME, top + CELL[0] - FRAME), str(each.steps), fill="black")
    return canvas


def summary(pictures: Sequence[Picture]) -> str:
    """Return how many pictures are right, and the step counts of the others."""
    wrong = [str(each.steps) for each in pictures if not each.right]
    exception = f"; wrong at {', '.join(wrong)}" if wrong else ""
    return f"{len(pictures) - len(wrong)} of {len(pictures)} pictures right{exception}"


def difference(one: Image.Image, other: Image.Image) -> tuple[float, int]:
    """Return the mean and the largest difference between the images' samples, of 255."""
    distance = np.abs(np.subtract(np.asarray(one, dtype=int), np.asarray(other, dtype=int)))
    return float(distance.mean()), int(distance.max())


def _pictures(engine: Engine, scheduler: str, counts: Sequence[int]) -> list[Picture]:
    found = []
    for steps in counts:
        spec = specification(SCENE, SEED, scheduler=scheduler, num_inference_steps=steps)
        (image,) = engine.generate(spec, lambda step, of: None).images
        found.append(Picture(steps, image, judge(image, SCENE).right))
    return found


def _print_pictures(rows: Mapping[str, Sequence[Picture]]) -> None:
    print_header(["steps", *rows, "mean difference to the first", "largest"])
    for same_steps in zip(*rows.values(), strict=True):
        verdicts = ["right" if each.right else "wrong" for each in same_steps]
        mean, largest = difference(same_steps[0].image, same_steps[-1].image)
        print_row([same_steps[0].steps, *verdicts, f"{mean:.3f}", largest])
