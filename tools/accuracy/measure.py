"""Generates and judges images of captions held out from the demo model's training."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY
from imagegen.generation.planner import Planner
from imagegen.generation.ports import Backend, Engine
from imagegen.generation.request import GenerateRequest
from imagegen.generation.spec import GenerationSpec
from models.training.scenes import Scene, random_scene
from tools.accuracy.shape_checker import Verdict, judge

SEED: Final = 2026
"""Of the captions; an image's seed is its index."""
KINDS: Final = {"one object": False, "two objects": True}
"""Whether a scene has two objects, by the kind of caption."""
PARTS: Final = ("background", "objects", "relation")
_PLANNER: Final = Planner(ImageModels(REGISTRY, "demo"), Backend("torch", "cpu", "float32", "for the plan only"))


@dataclass
class Tally:
    """Verdicts on images of one kind, and the captions of the wrong ones."""

    verdicts: list[Verdict] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def right(self) -> float:
        """Share of images that match their caption in every part, 0 to 1."""
        return sum(verdict.right for verdict in self.verdicts) / len(self.verdicts)

    def cells(self) -> list[str]:
        """Return the cells of a Markdown table: count, all right, and each of PARTS."""
        count = len(self.verdicts)
        shares = [sum(getattr(verdict, part) for verdict in self.verdicts) / count for part in PARTS]
        return [str(count), *(f"{share:.1%}" for share in (self.right, *shares))]


def measure(engine: Engine, *, two: bool, count: int, size: tuple[int, int] | None = None, **fields: object) -> Tally:
    """Generate and judge images of `count` held-out scenes, with two objects if `two`, else one.

    `size` is (width, height) in pixels and may be outside the model's limits. `fields` are further request fields.
    """
    tally = Tally()
    for index, scene in enumerate(scenes(two=two, count=count)):
        spec = specification(scene, index, size, **fields)
        verdict = judge(engine.generate(spec, lambda step, of: None).images[0], scene)
        tally.verdicts.append(verdict)
        if not verdict.right:
            tally.wrong.append(f"{scene.caption()} (seed {index})")
    return tally


def specification(scene: Scene, seed: int, size: tuple[int, int] | None = None, **fields: object) -> GenerationSpec:
    """Return what the service would generate for the scene's caption; see `measure`."""
    spec = _PLANNER.plan(GenerateRequest.parse({"prompt": scene.caption(), "seed": seed, **fields})).spec
    return spec if size is None else replace(spec, width=size[0], height=size[1])


def scenes(*, two: bool, count: int) -> Iterator[Scene]:
    """Yield `count` held-out scenes, always the same, with two objects if `two`, else one."""
    rng = random.Random(f"{SEED}-{two}")
    for _ in range(count):
        yield random_scene(rng, two=two, held_out=True)
