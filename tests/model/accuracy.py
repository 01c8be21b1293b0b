"""How often the demo model draws what its caption says, on captions left out of its training (`make demo-accuracy`)."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from imagegen.engine_torch import TorchEngine
from imagegen.engines import choose_backend
from imagegen.ports import Engine
from imagegen.registry import REGISTRY
from imagegen.request import GenerateRequest, resolve
from scenes import Scene, random_scene
from tests.model.checker import Verdict, judge
from tests.model.conftest import DEMO

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=FULL, help="captions of each kind")
    parser.add_argument("--steps", type=int, default=REGISTRY["demo"].defaults.num_inference_steps)
    arguments = parser.parse_args()
    engine = TorchEngine.load(DEMO, choose_backend("cpu"))
    print("| captions | count | all right | background | objects | relation |\n|---|---|---|---|---|---|")
    for two, name in ((False, "one object"), (True, "two objects")):
        tally = measure(engine, two=two, count=arguments.count, num_inference_steps=arguments.steps)
        print(tally.row(name), flush=True)
        print("".join(f"  wrong: {caption}\n" for caption in tally.wrong), end="")


if __name__ == "__main__":
    main()
