"""A product's photo on white becomes a scene at twice the size: are its pixels kept, is the background as asked?

A photo is a held-out scene's object on white. The request is the scene's caption, at strength 1, with a mask that
repaints all but the object. The mask reaches MARGIN pixels into the object: its edge in the photo is mixed with white.
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imagegen.engines.guard import GuardedEngine
from imagegen.engines.postprocessing import Postprocessor
from imagegen.generation.edit import Edit, Picture
from imagegen.generation.ports import Engine
from imagegen.generation.spec import GenerationSpec
from models.training.scenes import COLOURS, Scene, draw, random_scene
from tools.accuracy.measure import SEED, specification
from tools.accuracy.shape_checker import Verdict, judge
from tools.accuracy.table import print_header, print_row

REQUIRED: Final = 0.9
"""Least share of scenes whose background is as asked. The product's pixels must be kept in all of them."""
MARGIN: Final = 2
UPSCALE: Final = 2
MIN_SURROUNDINGS: Final = 0.9
"""Least share of what was repainted that must have the background's color, in a scene that is as asked."""
WHITE: Final = COLOURS["white"]


@dataclass(frozen=True)
class Photo:
    """A product on white, the mask that repaints its surroundings, and the scene in which it is wanted."""

    scene: Scene
    image: Image.Image
    mask: Image.Image
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What became of a photo."""

    photo: Photo
    drawn: Image.Image
    enlarged: Image.Image
    kept: bool
    """Whether all pixels that the mask keeps are the photo's, before the scene is enlarged."""
    enlarged_difference: float
    """Mean difference of these pixels in the enlarged scene, halved again, from the photo's, in levels of 255."""
    background: bool
    """Whether the border and MIN_SURROUNDINGS of what was repainted have the background's color."""
    verdict: Verdict
    """Of the whole scene: an object beside the product makes it wrong."""


def print_table(
    engines: Iterable[tuple[str, Engine]], postprocessor: Postprocessor, count: int, **fields: object
) -> bool:
    """Measure `count` photos, and print a row for each engine. Returns whether every row reaches REQUIRED."""
    print_header(
        ["engine", "scenes", "pixels kept", "enlarged: mean difference", "background", "whole scene", "required"]
    )
    reached = [_print_row(name, list(outcomes(engine, postprocessor, count, **fields))) for name, engine in engines]
    return all(reached)


def outcomes(engine: Engine, postprocessor: Postprocessor, count: int, **fields: object) -> Iterator[Outcome]:
    """Draw and enlarge `count` scenes. `fields` are further request fields."""
    for photo in photos(count):
        spec = requested(photo, **fields)
        generated = GuardedEngine(engine).generate(spec, lambda step, of: None)
        enlarged = postprocessor.apply(generated, spec, lambda: None)
        yield _judged(photo, generated.images[0], enlarged.images[0])


def photos(count: int) -> Iterator[Photo]:
    """Yield photos of held-out scenes in which nothing is white."""
    rng = random.Random(f"{SEED}-product")
    seed = 0
    while seed < count:
        scene = random_scene(rng, two=False, held_out=True)
        if "white" not in (scene.background, scene.first.colour):
            image = draw(Scene(scene.first, "white"), random.Random(seed))
            yield Photo(scene, image, surroundings(image), seed)
            seed += 1


def surroundings(image: Image.Image) -> Image.Image:
    """Return the mask that repaints what is white, and MARGIN pixels of what is not."""
    white = (np.asarray(image) == WHITE).all(axis=2)
    return Image.fromarray(np.where(white, 255, 0).astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * MARGIN + 1))


def requested(photo: Photo, **fields: object) -> GenerationSpec:
    """Return what the service would generate for the photo: its scene at twice the size, all noise but the product."""
    plain = specification(photo.scene, photo.seed, photo.image.size, **fields)
    edit = Edit(_picture(photo.image), 1.0, "crop", _picture(photo.mask))
    return replace(plain, edit=edit, upscale=UPSCALE)


def _judged(photo: Photo, drawn: Image.Image, enlarged: Image.Image) -> Outcome:
    sent, found, halved = (_pixels(each) for each in (photo.image, drawn, enlarged.reduce(UPSCALE)))
    product = np.asarray(photo.mask) == 0
    verdict = judge(enlarged.reduce(UPSCALE), photo.scene)
    return Outcome(
        photo,
        drawn,
        enlarged,
        kept=np.array_equal(found[product], sent[product]),
        enlarged_difference=float(np.abs(halved - sent)[product].mean()),
        background=verdict.background and _share(halved[~product], photo.scene.background) >= MIN_SURROUNDINGS,
        verdict=verdict,
    )


def _share(pixels: NDArray[np.int_], color: str) -> float:
    """Return the share of pixels, (count, 3), that are closer to this color than to any other."""
    distances = {name: np.linalg.norm(pixels - np.array(each), axis=1) for name, each in COLOURS.items()}
    return float((distances[color] <= np.min(list(distances.values()), axis=0)).mean())


def _print_row(name: str, found: list[Outcome]) -> bool:
    count = len(found)
    kept, background = sum(each.kept for each in found), sum(each.background for each in found)
    reached = kept == count and background >= REQUIRED * count
    difference = np.mean([each.enlarged_difference for each in found])
    whole = sum(each.verdict.right for each in found)
    required = f"{count}, {REQUIRED * count:g}{'' if reached else ' missed'}"
    print_row([name, count, kept, f"{difference:.1f}", background, whole, required])
    for each in found:
        if not each.background:
            print(f"  background: {each.photo.scene.caption()} (seed {each.photo.seed})", flush=True)
    return reached


def _picture(image: Image.Image) -> Picture:
    file = io.BytesIO()
    image.save(file, "PNG")
    return Picture.of(file.getvalue(), image.size)


def _pixels(image: Image.Image) -> NDArray[np.int_]:
    return np.asarray(image, dtype=int)
