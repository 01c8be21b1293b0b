"""Accuracy of the demo model on captions held out from its training (`make demo-accuracy`)."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imagegen.catalog import manifest
from imagegen.catalog.registry import REGISTRY
from imagegen.engines.cpu import fastest_precision, vcpus
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.torch_engine import TorchEngine
from imagegen.generation.planner import Planner
from imagegen.generation.ports import Backend, Engine
from imagegen.generation.request import GenerateRequest
from models.training.scenes import Scene, random_scene
from tools.accuracy.shape_checker import Verdict, judge
from tools.local.process import ROOT

MODELS = ROOT / ".local" / "models"
"""Models prepared by `make`."""
COUNT = 300
SEED = 2026
"""Of the captions; an image's seed is its index."""
_PLANNER = Planner(REGISTRY, "demo", Backend("torch", "cpu", "float32", "for the plan only"))


@dataclass
class Tally:
    """Verdicts on images of one kind, and the captions of the wrong ones."""

    verdicts: list[Verdict] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def right(self) -> float:
        """Share of images that match their caption in every part, 0 to 1."""
        return sum(verdict.right for verdict in self.verdicts) / len(self.verdicts)

    def row(self, name: str) -> str:
        """Return the row of the Markdown table, without the engine's cell."""
        count = len(self.verdicts)
        parts = [
            sum(getattr(verdict, part) for verdict in self.verdicts) / count
            for part in ("background", "objects", "relation")
        ]
        return f"| {name} | {count} | {self.right:.1%} | " + " | ".join(f"{part:.1%}" for part in parts) + " |"


def measure(engine: Engine, *, two: bool, count: int, **fields: object) -> Tally:
    """Generate and judge images of `count` held-out scenes, with two objects if `two`, else one.

    `fields` are further request fields.
    """
    tally = Tally()
    for index, scene in enumerate(_scenes(two=two, count=count)):
        request = GenerateRequest.parse({"prompt": scene.caption(), "seed": index, **fields})
        generated = engine.generate(_PLANNER.plan(request).spec, lambda step, of: None)
        verdict = judge(generated.images[0], scene)
        tally.verdicts.append(verdict)
        if not verdict.right:
            tally.wrong.append(f"{scene.caption()} (seed {index})")
    return tally


def _scenes(*, two: bool, count: int) -> Iterator[Scene]:
    rng = random.Random(f"{SEED}-{two}")
    for _ in range(count):
        yield random_scene(rng, two=two, held_out=True)


def backends() -> list[Backend]:
    """Return torch float32 as the reference, and OpenVINO in float32 and the processor's fastest type."""
    threads = vcpus(memory_mb=10240)
    precisions = dict.fromkeys(["float32", fastest_precision().name])
    return [
        Backend("torch", "cpu", "float32", "reference", threads),
        *(Backend("openvino", "cpu", precision, "default", threads) for precision in precisions),
    ]


def load(backend: Backend, models: Path) -> Engine:
    """Load the demo model from the folder of prepared models."""
    folder = models / "demo" / backend.engine
    verified = manifest.begin_verifying(folder)
    if backend.engine == "torch":
        return TorchEngine.load(folder, backend, verified)
    return OpenVINOEngine.load(folder, REGISTRY["demo"], backend, verified)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="captions of each kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=REGISTRY["demo"].defaults.num_inference_steps)
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the prepared models")
    arguments = parser.parse_args()
    print("| engine | captions | count | all right | background | objects | relation |\n|---|---|---|---|---|---|---|")
    for backend in backends():
        engine = load(backend, arguments.models)
        for two, name in ((False, "one object"), (True, "two objects")):
            tally = measure(engine, two=two, count=arguments.count, num_inference_steps=arguments.steps)
            print(f"| {backend.engine} {backend.precision} {tally.row(name)}", flush=True)
            print("".join(f"  wrong: {caption}\n" for caption in tally.wrong), end="")


if __name__ == "__main__":
    main()
