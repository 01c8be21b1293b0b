"""Compare this working tree with another one of the product, such as an earlier version's, on the same machine.

`python -m tools.bench.compare ../old --pairs 6 --case demo sd15-avx2`. The other tree needs a
`.venv` with its packages. Before, `python -m tools.bench.weights` in both trees prepares the models. Prints a table for
each case, a row for each time: medians, the median of the pairs' ratios, and the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from tools.bench import cases, machine, pairs
from tools.bench.case import Case
from tools.bench.measure import Bench, Checkout, image_store
from tools.bench.models import HOME
from tools.bench.pairs import Measured

GUIDED: Final = replace(cases.F32, id="sd15-guided", guidance=7.5, steps=2)
CASES: Final = (
    replace(cases.DEMO_READY, id="demo-ready"),
    replace(cases.DEMO_F32, id="demo-128", images=9),
    replace(cases.DEMO_F32, id="demo-256", size=256, images=7),
    replace(cases.READY, id="sd15-ready"),
    replace(cases.F32, id="sd15"),
    GUIDED,
)


def all_cases(*, bfloat16: bool) -> dict[str, Case]:
    """Return every case by its id: float32, bfloat16 if `bfloat16`, and oneDNN limited to AVX2."""
    half = [replace(case, id=f"{case.id}-bf16", precision="bfloat16") for case in CASES if bfloat16]
    avx2 = [replace(case, id=f"{case.id}-avx2", isa="AVX2") for case in CASES]
    return {case.id: case for case in (*CASES, *half, *avx2)}


def main() -> int:
    described = machine.describe()
    known = all_cases(bfloat16=machine.computes_bfloat16(described))
    arguments = _parser(known).parse_args()
    root = arguments.baseline.resolve()
    print(json.dumps(described), flush=True)
    measured: dict[str, Any] = {"machine": described}
    with image_store() as endpoint:
        product = Bench(HOME, endpoint)
        baseline = Bench(HOME / "baseline", endpoint, Checkout(root, str(root / ".venv/bin/python")))
        for name in arguments.case or known:
            sides = partial(_measured, baseline, known[name]), partial(_measured, product, known[name])
            done = pairs.interleave(arguments.pairs, *sides, load=lambda: os.getloadavg()[0])
            measured[name] = [asdict(pair) for pair in done]
            print(pairs.render({name: done}), flush=True)
            arguments.out.write_text(json.dumps(measured, indent=1) + "\n")
    return 0


def _measured(bench: Bench, case: Case) -> Measured:
    started = _processor_s()
    return Measured(bench.run(case), _processor_s() - started)


def _processor_s() -> float:
    """Return the processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _parser(known: dict[str, Case]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("baseline", type=Path, help="working tree to compare with; its .venv runs it")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--case", nargs="+", choices=list(known), help="default: all")
    parser.add_argument("--out", type=Path, default=HOME / "compare.json", help="raw measurements")
    return parser


if __name__ == "__main__":
    sys.exit(main())
