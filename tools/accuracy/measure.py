"""How often the demo model draws what its caption says, on captions left out of its training (`make demo-accuracy`)."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imagegen import manifest
from imagegen.engine_openvino import OpenVINOEngine
from imagegen.engine_torch import TorchEngine
from imagegen.ports import Backend, Engine
from imagegen.processor import fastest_precision, vcpus
from imagegen.registry import REGISTRY
from imagegen.request import GenerateRequest, resolve
from models.training.scenes import Scene, random_scene
from tests.conftest import MODELS
from tools.accuracy.shape_checker import Verdict, judge

FULL = 300
SEED = 2026


@dataclass
class Tally:
    """Verdicts on pictures of one kind, with the captions that went wrong."""

    verdicts: list[Verdict] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def right(self) -> float:
        return sum(verdict.right for verdict in self.verdicts) / len(self.verdicts)

    def row(self, name: str) -> str:
        count = len(self.verdicts)
        parts = [
            sum(getattr(verdict, part) for verdict in self.verdicts) / count
            for part in ("background", "objects", "relation")
        ]
        return f"| {name} | {count} | {self.right:.1%} | " + " | ".join(f"{part:.1%}" for part in parts) + " |"


def measure(engine: Engine, *, two: bool, count: int, **fields: object) -> Tally:
    """Draw and judge `count` held-out scenes of one or two objects; each has a seed of its own."""
    tally = Tally()
    for index, scene in enumerate(_scenes(two=two, count=count)):
        request = GenerateRequest.parse({"prompt": scene.caption(), **fields})
        generated = engine.generate(resolve(request, REGISTRY["demo"], seed=index), lambda step, of: None)
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
    """The reference, and OpenVINO in every type that this processor computes fast."""
    threads = vcpus(memory_mb=10240)
    precisions = dict.fromkeys(["float32", fastest_precision().name])
    return [
        Backend("torch", "cpu", "float32", "reference", threads),
        *(Backend("openvino", "cpu", precision, "default", threads) for precision in precisions),
    ]


def load(backend: Backend, models: Path) -> Engine:
    folder = models / "demo" / backend.engine
    verified = manifest.begin_verifying(folder)
    if backend.engine == "torch":
        return TorchEngine.load(folder, backend, verified)
    return OpenVINOEngine.load(folder, REGISTRY["demo"], backend, verified)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=FULL, help="captions of each kind")
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
