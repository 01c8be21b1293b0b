"""Runs the scenarios, writes .local/faults.json, and fails if a promise does not hold or was not tested."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tools.faults.deployment import SWEEP_EVERY_S
from tools.faults.environment import prepare
from tools.faults.jobs import DEMO, JOBS, POSTPONE_S, SHORT
from tools.faults.ministack import local_aws
from tools.faults.plan import FaultPlan, Mix
from tools.faults.product import Product
from tools.faults.run import Run
from tools.faults.scenarios import SCENARIOS
from tools.local.process import ROOT

REPORT: Final = ROOT / ".local" / "faults.json"
PROMISES: Final = ("R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R12", "R13", "R16")
PRODUCTS: Final[dict[str, Product]] = {each.name: each for each in (JOBS, DEMO)}
SCALED: Final = {
    "botocore_backoff": FaultPlan(Mix()).backoff,
    "sweep_every_s": SWEEP_EVERY_S,
    "limits": asdict(SHORT),
    "postpone_s": POSTPONE_S,
    "real_times_in": ["R6, except its steps"],
}
"""Times that are shorter than on AWS."""


def main() -> int:
    """Return 0 if all promises were tested and hold, else 1."""
    arguments = _arguments()
    product = PRODUCTS[arguments.product]
    logging.getLogger("botocore").setLevel(logging.ERROR)
    prepare(["tools.faults.environment", product.deploy.__module__])
    report: dict[str, Any] = {"seed": arguments.seed, "scale": arguments.scale, "product": product.name}
    report |= {"scaled": SCALED}
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        for name in arguments.only or SCENARIOS:
            began = time.monotonic()
            # A new MiniStack for each: what one run leaves in it slows down the next.
            with local_aws(Path(folder) / f"ministack-{name}") as aws:
                run = Run(aws, product, Path(folder), arguments.seed, arguments.scale)
                report[name] = SCENARIOS[name](run) | {"seconds": round(time.monotonic() - began)}
            print(name, json.dumps(report[name]), flush=True)
            _write(report)
    report["missing"] = [name for name in PROMISES if name not in report]
    _write(report)
    broken = [name for name in PROMISES if name in report and not report[name]["holds"]]
    print(f"holds: {[name for name in PROMISES if name in report and name not in broken]}, broken: {broken}")
    print(f"missing: {report['missing']}; report: {REPORT.relative_to(ROOT)}")
    return 1 if broken or report["missing"] else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--product", choices=PRODUCTS, default=next(iter(PRODUCTS)))
    parser.add_argument("only", nargs="*", metavar="R1")
    arguments = parser.parse_args()
    unknown = set(arguments.only) - SCENARIOS.keys()
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return arguments


def _write(report: dict[str, Any]) -> None:
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
