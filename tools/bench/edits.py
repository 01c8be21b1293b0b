"""What a picture as the start costs: `python -m tools.bench.edits`, with the demo model.

Image to image at strength 0.5 against text to image of the same steps, in interleaved pairs of one process; and the
first request with a picture, in new processes that have already drawn from text. Processor time, so that other work on
the machine changes little; elapsed time beside it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from imagegen.engines.guard import GuardedEngine
from imagegen.generation.edit import Edit, Picture
from imagegen.generation.ports import Backend, Engine
from imagegen.generation.spec import GenerationSpec
from models.training.scenes import Scene, Thing
from tools.accuracy.engines import load
from tools.accuracy.measure import specification
from tools.accuracy.table import print_header, print_row
from tools.gallery import OUT

STRENGTH: Final = 0.5
STEPS: Final = (10, 20, 50)
MOST_OF_TEXT: Final = 0.65
"""Most processor time of image to image, as a share of that of text to image."""
MOST_MORE_AT_FIRST_S: Final = 1.0
"""Most additional time of the first request with a picture."""
SCENE: Final = Scene(Thing("large", "red", "heart"), "yellow")
PICTURE: Final = OUT / "star.png"


@dataclass(frozen=True)
class Seconds:
    """Of one request."""

    processor: float
    elapsed: float


def main() -> int:
    """Return 1 if a requirement is missed."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.edits", description=__doc__)
    parser.add_argument("--engine", nargs="+", choices=["openvino", "torch"], default=["openvino", "torch"])
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--first", choices=["openvino", "torch"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.first:
        _print_first(arguments.first)
        return 0
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; processor s (elapsed s), medians")
    pairs = [_compare_warm(name, arguments.pairs) for name in arguments.engine]
    firsts = [_compare_first(name, arguments.processes) for name in arguments.engine]
    return 0 if all([*pairs, *firsts]) else 1


def _compare_warm(name: str, pairs: int) -> bool:
    engine = _loaded(name)
    print_header(["engine", "steps", "from text", f"from a picture, strength {STRENGTH}", "ratio", "required"])
    ratios = []
    for steps in STEPS:
        rounds = [(_measure(engine, _text(steps)), _measure(engine, _edit(steps))) for _ in range(1 + pairs)][1:]
        ratio = median(edit.processor / text.processor for text, edit in rounds)
        ratios.append(ratio)
        print_row([name, steps, *map(_medians, zip(*rounds, strict=True)), f"{ratio:.2f}", MOST_OF_TEXT])
    engine.close()
    return max(ratios) <= MOST_OF_TEXT


def _compare_first(name: str, processes: int) -> bool:
    command = [sys.executable, "-m", __spec__.name, "--first", name]
    print_header(["engine", "from text", "first from a picture", "second", "more at first, s", "required"])
    rounds = []
    for _ in range(processes):
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        values = [float(each) for each in printed]
        rounds.append([Seconds(*values[index : index + 2]) for index in (0, 2, 4)])
    more = median(first.processor - text.processor for text, first, _ in rounds)
    print_row([name, *map(_medians, zip(*rounds, strict=True)), f"{more:.2f}", MOST_MORE_AT_FIRST_S])
    return more <= MOST_MORE_AT_FIRST_S


def _print_first(name: str) -> None:
    """Print the seconds of the second picture from text, and of the first two from a picture."""
    engine, steps = _loaded(name), STEPS[0]
    _measure(engine, _text(steps))
    for spec in (_text(steps), _edit(steps), _edit(steps)):
        seconds = _measure(engine, spec)
        print(seconds.processor, seconds.elapsed)
    engine.close()


def _medians(requests: Sequence[Seconds]) -> str:
    return f"{median(each.processor for each in requests):.3f} ({median(each.elapsed for each in requests):.3f})"


def _measure(engine: Engine, spec: GenerationSpec) -> Seconds:
    processor, elapsed = time.process_time(), time.perf_counter()
    GuardedEngine(engine).generate(spec, lambda step, of: None)
    return Seconds(time.process_time() - processor, time.perf_counter() - elapsed)


def _loaded(name: str) -> Engine:
    return load(Backend("torch" if name == "torch" else "openvino", "cpu", "float32", "for the benchmark", threads=1))


def _text(steps: int) -> GenerationSpec:
    return specification(SCENE, 5, num_inference_steps=steps)


def _edit(steps: int) -> GenerationSpec:
    picture = Picture.of(PICTURE.read_bytes(), (128, 128))
    return replace(_text(steps), edit=Edit(picture, STRENGTH, "crop"))


if __name__ == "__main__":
    sys.exit(main())
