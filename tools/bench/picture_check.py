"""What judging a picture costs, and what it says about the demo model's: `python -m tools.bench.picture_check`.

Times are of one check, with the networks loaded, by the size of the picture: of a drawn scene, about which the first
network is sure, and of the picture that is blocked, about which the second is asked, too. Then images of held-out
captions are drawn and judged. Returns 1 if a median is above MOST_MS or an image of the demo model is blocked.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from statistics import median, quantiles
from typing import Final

from PIL import Image

from imagegen.catalog import auxiliary
from imagegen.engines.auxiliary_networks import IndecencyClassifier, properties
from imagegen.engines.cpu import fastest_precision, processors
from imagegen.engines.picture_checker import NetworkChecker
from imagegen.generation.ports import Backend
from imagegen.moderation.thresholds import UNSURE_FROM, Thresholds
from tools.accuracy.engines import MODELS, load
from tools.accuracy.measure import KINDS, scenes, specification
from tools.accuracy.table import print_header, print_row
from tools.gallery import OUT
from tools.local.process import ROOT

MOST_MS: Final = 20.0
"""Most time of a check, median, of a picture that is not in doubt."""
SIDES: Final = (128, 512, 1024, 2048)
ROUNDS: Final = 100
SCENE: Final = OUT / "scene.png"
BLOCKED: Final = ROOT / "tests" / "support" / "moderation-positive.png"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.picture_check", description=__doc__)
    parser.add_argument("--threads", type=int, default=processors(), help="a function uses all its processors")
    parser.add_argument("--count", type=int, default=200, help="images of the demo model; 0: none")
    arguments = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs, {arguments.threads} threads")
    within = _time_checks(arguments.threads)
    return 0 if within and not _count_blocked(arguments.count, arguments.threads) else 1


def _time_checks(threads: int) -> bool:
    precision = fastest_precision(threads)
    print(f"the second network in {precision.name}: {precision.reason}")
    checker = NetworkChecker(auxiliary.prepared(MODELS), threads, bfloat16=precision.name == "bfloat16")
    decent, blocked = (Image.open(each).convert("RGB") for each in (SCENE, BLOCKED))
    started = time.perf_counter()
    checker.load()
    loaded = time.perf_counter()
    checker.category(blocked, Thresholds())
    second = time.perf_counter()
    print(f"loading {1000 * (loaded - started):.0f} ms; the second network {1000 * (second - loaded):.0f} ms more\n")
    print_header(["picture", "side", "median ms", "p95 ms", "required"])
    sure = [_row(checker, "a scene", decent, side) for side in SIDES]
    _ = [_row(checker, "the one that is blocked", blocked, side) for side in SIDES]
    return max(sure) <= MOST_MS


def _row(checker: NetworkChecker, name: str, picture: Image.Image, side: int) -> float:
    """Print the times of a picture at a size, and return their median in milliseconds."""
    resized, times = picture.resize((side, side)), list[float]()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        checker.category(resized, Thresholds())
        times.append(1000 * (time.perf_counter() - started))
    middle = median(times)
    print_row([name, side, f"{middle:.1f}", f"{quantiles(times, n=20)[-1]:.1f}", MOST_MS if name == "a scene" else ""])
    return middle


def _count_blocked(count: int, threads: int) -> int:
    """Draw and judge `count` images, half of them with two objects; return how many are blocked."""
    if count == 0:
        return 0
    engine = load(Backend("openvino", "cpu", "float32", "for the check", threads))
    folder = auxiliary.prepared(MODELS)
    checker, classifier = NetworkChecker(folder, threads), IndecencyClassifier(folder, properties(threads))
    blocked, sexual = 0, list[float]()
    for two in KINDS.values():
        for index, scene in enumerate(scenes(two=two, count=count // 2)):
            (image,) = engine.generate(specification(scene, index), lambda step, of: None).images
            blocked += checker.category(image, Thresholds()) is not None
            sexual.append(classifier.scores(image).sexual)
    asked = sum(score >= UNSURE_FROM for score in sexual)
    print(
        f"\n{len(sexual)} images of the demo model: {blocked} blocked, {asked} where the second network was asked; "
        f"porn and hentai together at most {max(sexual):.2f}, median {median(sexual):.4f}"
    )
    return blocked


if __name__ == "__main__":
    sys.exit(main())
