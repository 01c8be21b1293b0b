"""`make bench`: measure, then write the report, its picture and `.local/bench.json`.

Wants an idle machine with 16 GB of memory and 10 GB of disk. Takes about an hour, or 15 minutes with --quick, which
repeats less, gives the same keys and leaves docs/ alone.
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
"""Every run's readings."""
ENTRYPOINTS: Final = ("generator", "api")


def main() -> int:
    arguments = _parser().parse_args()
    out = arguments.out or (HOME / "performance.md" if arguments.quick else ROOT / "docs" / "performance.md")
    budget = plan.Budget(60 * (arguments.minutes or (plan.QUICK_MINUTES if arguments.quick else inf)))

    def say(what: str) -> None:
        print(f"{budget.elapsed():6.0f} s  {what}", file=sys.stderr, flush=True)

    try:
        with image_store() as endpoint:
            figures = _measure(Bench(HOME, endpoint), budget, say, quick=arguments.quick)
    except plan.BenchError as error:
        say(str(error))
        return 1
    given = [f"MINUTES={arguments.minutes:g}"] if arguments.minutes else []
    _write(figures, out, " ".join(["make bench", *(["QUICK=1"] if arguments.quick else []), *given]))
    print(json.dumps(figures.document(), indent=1))
    say(f"{out}, {SUMMARY} and {RUNS} are written")
    return 1 if figures.results.failures else 0


def _measure(bench: Bench, budget: plan.Budget, say: Callable[[str], None], *, quick: bool) -> Figures:
    described = machine.describe()
    bfloat16 = machine.computes_bfloat16(described)
    say("weights: made and prepared where they are not there yet, minutes")
    bench.prepare()
    say("imports and overhead of the handler")
    import_s = {name: bench.import_s(f"imagegen.entrypoints.{name}", repeats=5) for name in ENTRYPOINTS}
    overhead = bench.overhead(cases.OVERHEAD, requests=50 if quick else 200)
    planned = plan.Plan(
        cases=cases.one_round(bfloat16=bfloat16, quick=quick, peers=peers.installed()),
        precisions=["float32", "bfloat16"] if bfloat16 else ["float32"],
        budget=budget,
        quick=quick,
        say=say,
    )
    return Figures(described, planned.measure(bench), overhead, import_s)


def _write(figures: Figures, out: Path, command: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(json.dumps(figures.document(), indent=1) + "\n")
    RUNS.write_text(json.dumps(asdict(figures), indent=1) + "\n")
    plot.draw(figures, out.parent / report.PICTURE)
    out.write_text(report.render(figures, f"{datetime.now(UTC):%Y-%m-%d}", command))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="15 minutes: one to three repeats")
    parser.add_argument("--minutes", type=float, help="start nothing that would end later, but all of it once")
    parser.add_argument("--out", type=Path, help="the report; its picture goes into images/ beside it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
