"""Ratios of interleaved pairs of runs: one of the baseline and one of the product, right after each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tools.bench.figures import COMPILED, DECODE, FIRST, PEAK, READY, STEP, Reading, Spread
from tools.bench.markdown import number, spread, table
from tools.bench.measurements import Run


def _warm(run: Run) -> float | None:
    return median(image.seconds for image in run.images[1:]) if len(run.images) > 1 else None


LOADED: Final[dict[str, Reading]] = {"ready": READY}
GENERATED: Final[dict[str, Reading]] = {
    "compiled": COMPILED,
    "first image": FIRST,
    "warm image": _warm,
    "UNet call": STEP,
    "decode": DECODE,
    "peak MB": PEAK,
}
HEADER: Final = ("case", "seconds", "baseline", "product", "median ratio", "pairs", "load")


@dataclass(frozen=True)
class Pair:
    """Two runs of the same case, and the machine's load average (1 minute) before them."""

    baseline: Run
    product: Run
    load: float

    def ratio(self, reading: Reading) -> float | None:
        """Return the product's value divided by the baseline's, or None if one is missing."""
        before, after = reading(self.baseline), reading(self.product)
        return after / before if before and after else None


def interleave(
    pairs: int, baseline: Callable[[], Run], product: Callable[[], Run], load: Callable[[], float]
) -> list[Pair]:
    """Run `pairs` pairs. The order changes from pair to pair, so that neither always comes second."""
    done = []
    for number_ in range(pairs):
        busy = load()
        if number_ % 2:
            after, before = product(), baseline()
        else:
            before, after = baseline(), product()
        done.append(Pair(before, after, busy))
    return done


def rows(case_id: str, pairs: Sequence[Pair]) -> list[list[str]]:
    """Return a table row for each reading that the pairs have."""
    readings = GENERATED if pairs[0].product.images else LOADED
    return [_row(case_id, name, reading, pairs) for name, reading in readings.items()]


def _row(case_id: str, name: str, reading: Reading, pairs: Sequence[Pair]) -> list[str]:
    sides = ([pair.baseline for pair in pairs], [pair.product for pair in pairs])
    values = [[value for run in side if (value := reading(run)) is not None] for side in sides]
    ratios = Spread.of([ratio for pair in pairs if (ratio := pair.ratio(reading)) is not None])
    loads = [pair.load for pair in pairs]
    ratio_text = f"{ratios.median:.3f} ({ratios.least:.3f}-{ratios.most:.3f})" if ratios else "-"
    return [
        case_id,
        name,
        *(spread(Spread.of(each)) for each in values),
        ratio_text,
        str(len(pairs)),
        f"{number(min(loads))}-{number(max(loads))}",
    ]


def render(case_rows: Sequence[Sequence[str]]) -> str:
    """Return the table."""
    return table(HEADER, case_rows)
