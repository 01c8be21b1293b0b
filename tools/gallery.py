"""`make gallery`: draw the pictures of docs/gallery.md with the demo model, as the service would.

A picture is drawn with OpenVINO in float32 on one thread. On another processor or engine it differs by a level here and
there: `tests/model/test_gallery.py` compares with a tolerance.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from imagegen.catalog import auxiliary
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY
from imagegen.engines.guard import GuardedEngine
from imagegen.engines.postprocessing import Postprocessor
from imagegen.generation.edit import Picture
from imagegen.generation.image_file import encode
from imagegen.generation.planner import Planner
from imagegen.generation.ports import Backend, Engine
from imagegen.generation.request import GenerateRequest
from models.training.scenes import COLOURS, SIZE
from tools.accuracy.engines import MODELS, load
from tools.accuracy.product_scenes import MARGIN
from tools.local.process import ROOT

OUT: Final = ROOT / "docs" / "gallery"
BACKEND: Final = Backend("openvino", "cpu", "float32", "for the gallery", threads=1)
RADIUS: Final = 38
"""Of the product, in pixels."""
_PLANNER: Final = Planner(ImageModels(REGISTRY, "demo"), BACKEND)


@dataclass(frozen=True)
class Drawn:
    """A picture that the service draws: a request, whose pictures are files of the gallery."""

    prompt: str
    image: str | None = None
    mask_image: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the request."""
        pictures = {"image": self.image, "mask_image": self.mask_image}
        return {"prompt": self.prompt, **{name: each for name, each in pictures.items() if each}, **self.fields}


def product() -> Image.Image:
    """Return a striped ball on white: no flat shape, so that a pixel that was not kept shows."""
    scale = 4
    side, radius = SIZE * scale, RADIUS * scale
    rows, columns = np.mgrid[0:side, 0:side] - (side - 1) / 2
    ball = np.hypot(rows, columns) <= radius
    shade = np.clip(1.15 - np.hypot(rows + radius / 3, columns + radius / 3) / (1.9 * radius), 0.35, 1)
    stripe = np.abs(rows + 0.2 * columns) < radius / 5
    color = np.where(stripe[:, :, None], COLOURS["white"], COLOURS["red"]) * shade[:, :, None]
    pixels = np.where(ball[:, :, None], color, COLOURS["white"])
    return Image.fromarray(pixels.round().astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BOX)


def product_mask() -> Image.Image:
    """Return the mask that repaints the product's surroundings and MARGIN pixels of its edge, which has their color."""
    outline = Image.new("L", (SIZE, SIZE), 255)
    center = SIZE / 2 - 0.5
    ImageDraw.Draw(outline).circle((center, center), RADIUS - MARGIN, 0)
    return outline


def upper_half() -> Image.Image:
    """Return the mask that repaints the upper half of a picture."""
    mask = Image.new("L", (SIZE, SIZE), 0)
    mask.paste(255, (0, 0, SIZE, SIZE // 2))
    return mask


SCENE: Final = "a large red circle on a blue background"
PAIR: Final = "a red heart above a blue square on a white background"
REPAINTED: Final = "a green star above a blue square on a white background"
STAR: Final = "a large yellow star on a purple background"
HEART: Final = "a large red heart on a yellow background"
INPUTS: Final[Mapping[str, Callable[[], Image.Image]]] = {
    "product.png": product,
    "product-mask.png": product_mask,
    "upper-half.png": upper_half,
}
DRAWINGS: Final[Mapping[str, Drawn]] = {
    "scene.png": Drawn(SCENE, "product.png", "product-mask.png", {"strength": 1, "seed": 5}),
    "scene-2x.png": Drawn(SCENE, "product.png", "product-mask.png", {"strength": 1, "seed": 5, "upscale": 2}),
    "pair.png": Drawn(PAIR, fields={"seed": 3}),
    "repainted.png": Drawn(REPAINTED, "pair.png", "upper-half.png", {"strength": 1, "seed": 3}),
    "star.png": Drawn(STAR, fields={"seed": 7}),
    "strength-0.2.png": Drawn(HEART, "star.png", fields={"strength": 0.2, "seed": 5}),
    "strength-0.4.png": Drawn(HEART, "star.png", fields={"strength": 0.4, "seed": 5}),
    "strength-0.8.png": Drawn(HEART, "star.png", fields={"strength": 0.8, "seed": 5}),
    "star-4x.webp": Drawn(STAR, fields={"seed": 7, "upscale": 4, "output_format": "webp"}),
    "star-transparent.png": Drawn(STAR, fields={"seed": 7, "upscale": 2, "background": "transparent"}),
}
"""By file name. A file is drawn after the pictures that it starts from."""


def draw(drawn: Drawn, engine: Engine, postprocessor: Postprocessor, folder: Path) -> bytes:
    """Return the file. Pictures that it starts from are read from `folder`."""
    image, mask = (_read(folder, name) for name in (drawn.image, drawn.mask_image))
    pictures = (image, mask) if image else None
    spec = _PLANNER.plan(GenerateRequest.parse(drawn.body()), pictures).spec
    guarded = GuardedEngine(engine, postprocessor.apply)
    (result,) = guarded.generate(spec, lambda step, of: None).images
    return encode(result, spec, 0, embed_prompt=True)


def _read(folder: Path, name: str | None) -> Picture | None:
    if name is None:
        return None
    data = (folder / name).read_bytes()
    return Picture.of(data, Image.open(io.BytesIO(data)).size)


def main() -> None:
    engine, postprocessor = load(BACKEND), Postprocessor(auxiliary.prepared(MODELS), BACKEND.threads)
    OUT.mkdir(exist_ok=True)
    for name, make in INPUTS.items():
        make().save(OUT / name, optimize=True)
    for name, drawn in DRAWINGS.items():
        (OUT / name).write_bytes(draw(drawn, engine, postprocessor, OUT))
        print(name, flush=True)
    engine.close()


if __name__ == "__main__":
    main()
