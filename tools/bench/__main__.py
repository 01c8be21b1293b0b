"""`make bench`: run the benchmark, then write the report, its chart and `.local/bench.json`.

Needs an idle machine with 16 GB of memory and 10 GB of disk. Takes about an hour, or 15 minutes with --quick, which
repeats less, writes the same keys and does not change docs/.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Final

from tools.bench import cases, machine, peers, plan, plot, report
from tools.bench.figures import Figures
from tools.bench.measure import Bench, image_store
from tools.bench.models import HOME, ROOT

SUMMARY: Final = ROOT / ".local" / "bench.json"
RUNS: Final = HOME / "runs.json"
"""Raw measurements of every run."""
ENTRYPOINTS: Final = ("generator", "api")


def main() -> int:
    arguments = _parser().parse_args()
    out = arguments.out or (HOME / "performance.md" if arguments.quick else ROOT / "docs" / "performance.md")
    budget = plan.Budget(60 * (arguments.minutes or (plan.QUICK_MINUTES if arguments.quick else inf)))

    def log(message: str) -> None:
        print(f"{budget.elapsed():6.0f} s  {message}", file=sys.stderr, flush=True)

    try:
        with image_store() as endpoint:
            figures = _measure(Bench(HOME, endpoint), budget, log, quick=arguments.quick)
    except plan.BenchError as error:
        log(str(error))
        return 1
    given = [f"MINUTES={arguments.minutes:g}"] if arguments.minutes else []
    _write(figures, out, " ".join(["make bench", *(["QUICK=1"] if arguments.quick else []), *given]))
    print(json.dumps(figures.document(), indent=1))
    log(f"wrote {out}, {SUMMARY} and {RUNS}")
    return 1 if figures.results.failures else 0


def _measure(bench: Bench, budget: plan.Budget, log: Callable[[str], None], *, quick: bool) -> Figures:
    described = machine.describe()
    bfloat16 = machine.computes_bfloat16(described)
    log("weights: creating and preparing missing ones, minutes")
    bench.prepare()
    log("import times and overhead of the handler")
    import_s = {name: bench.import_s(f"imagegen.entrypoints.{name}", repeats=5) for name in ENTRYPOINTS}
    overhead = bench.overhead(cases.OVERHEAD, requests=50 if quick else 200)
    planned = plan.Plan(
        cases=cases.one_round(bfloat16=bfloat16, quick=quick, peers=peers.installed()),
        precisions=["float32", "bfloat16"] if bfloat16 else ["float32"],
        budget=budget,
        quick=quick,
        log=log,
    )
    return Figures(described, planned.measure(bench), overhead, import_s)


def _write(figures: Figures, out: Path, command: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(json.dumps(figures.document(), indent=1) + "\n")
    RUNS.write_text(json.dumps(asdict(figures), indent=1) + "\n")
    plot.draw(figures, out.parent / report.CHART)
    out.write_text(report.render(figures, f"{datetime.now(UTC):%Y-%m-%d}", command))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="15 minutes: one to three repeats")
    parser.add_argument("--minutes", type=float, help="repeat only what fits; everything runs at least once")
    parser.add_argument("--out", type=Path, help="path of the report; its chart goes into images/ next to it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
