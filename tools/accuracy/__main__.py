"""Judge by their pixels what the demo model draws.

`captions`, which `make demo-accuracy` runs: by engine, scheduler and number of steps. `sizes`: by size. `steps`: one
caption at every number of steps on both engines, as a contact sheet. `product`: a product's photo becomes a scene.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from imagegen.catalog import auxiliary
from imagegen.catalog.registry import REGISTRY
from imagegen.engines.cpu import vcpus
from imagegen.engines.postprocessing import Postprocessor
from tools.accuracy import captions, contact_sheet, product_scenes, sizes
from tools.accuracy.engines import MODELS, loaded
from tools.local.process import ROOT

DEMO: Final = REGISTRY["demo"]


def main() -> int:
    """Return 1 if a row misses its requirement, or a picture of the default steps or more is wrong."""
    arguments = _arguments()
    engines = loaded(arguments.engine)
    if arguments.command == "sizes":
        sizes.print_table(engines, arguments.size or sizes.legal_sizes(), arguments.count)
        return 0
    if arguments.command == "steps":
        return 0 if contact_sheet.draw(engines, arguments.scheduler, arguments.out) else 1
    if arguments.command == "product":
        postprocessor = Postprocessor(auxiliary.prepared(MODELS), vcpus(memory_mb=10240))
        fields = {"num_inference_steps": arguments.steps}
        return 0 if product_scenes.print_table(engines, postprocessor, arguments.count, **fields) else 1
    names = DEMO.schedulers if "all" in arguments.scheduler else arguments.scheduler
    combinations = [captions.Combination(name, steps) for name in names for steps in arguments.steps]
    return 0 if captions.print_table(engines, combinations, arguments.count) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    defaults = DEMO.defaults
    each = commands.add_parser("captions", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    each.add_argument("--count", type=int, default=300, help="captions of each kind")
    each.add_argument("--scheduler", nargs="+", choices=["all", *DEMO.schedulers], default=[defaults.scheduler])
    each.add_argument("--steps", nargs="+", type=int, default=[defaults.num_inference_steps])
    _add_engine(each)
    each = commands.add_parser("sizes", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    each.add_argument("--count", type=int, default=10, help="captions of each kind per size")
    each.add_argument("--size", nargs="+", type=_size, metavar="WIDTHxHEIGHT", help="default: every legal size")
    _add_engine(each)
    each = commands.add_parser("steps", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    each.add_argument("--scheduler", choices=DEMO.schedulers, default=defaults.scheduler)
    each.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "steps.png")
    _add_engine(each)
    each = commands.add_parser("product", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    each.add_argument("--count", type=int, default=100, help="photos")
    each.add_argument("--steps", type=int, default=defaults.num_inference_steps)
    _add_engine(each)
    return parser.parse_args()


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", nargs="+", choices=["openvino", "torch"], default=["openvino", "torch"])


def _size(text: str) -> sizes.Size:
    width, _, height = text.partition("x")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(main())
