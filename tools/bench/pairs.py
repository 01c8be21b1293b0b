"""Ratios of interleaved pairs of runs: one of the baseline and one of the product, right after each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tools.bench.figures import COMPILED, DECODE, FIRST, PEAK, READY, STEP, Reading, Spread
from tools.bench.markdown import number, spread, table
from tools.bench.measurements import Run

HEADER: Final = ("case", "reading", "baseline", "product", "median ratio", "pairs", "load")


@dataclass(frozen=True)
class Measured:
    """One run, and the processor time of its whole process in seconds, which other processes hardly change."""

    run: Run
    processor_s: float


@dataclass(frozen=True)
class Pair:
    """Two runs of the same case, and the machine's load average (1 minute) before them."""

    baseline: Measured
    product: Measured
    load: float

    def ratio(self, reading: Callable[[Measured], float | None]) -> float | None:
        """Return the product's value divided by the baseline's, or None if one is missing."""
        before, after = reading(self.baseline), reading(self.product)
        return after / before if before and after else None


def _of(reading: Reading) -> Callable[[Measured], float | None]:
    return lambda measured: reading(measured.run)


def _warm(run: Run) -> float | None:
    return median(image.seconds for image in run.images[1:]) if len(run.images) > 1 else None


LOADED: Final[dict[str, Callable[[Measured], float | None]]] = {
    "ready": _of(READY),
    "processor time": lambda measured: measured.processor_s,
}
GENERATED: Final[dict[str, Callable[[Measured], float | None]]] = {
    "compiled": _of(COMPILED),
    "first image": _of(FIRST),
    "warm image": _of(_warm),
    "UNet call": _of(STEP),
    "decode": _of(DECODE),
    "processor time": lambda measured: measured.processor_s,
    "peak MB": _of(PEAK),
}


def interleave(
    count: int, baseline: Callable[[], Measured], product: Callable[[], Measured], load: Callable[[], float]
) -> list[Pair]:
    """Run `count` pairs. The order changes from pair to pair, so that neither always comes second."""
    pairs = []
    for index in range(count):
        busy = load()
        if index % 2:
            after, before = product(), baseline()
        else:
            before, after = baseline(), product()
        pairs.append(Pair(before, after, busy))
    return pairs


def rows(case_id: str, pairs: Sequence[Pair]) -> list[list[str]]:
    """Return a table row for each reading that the pairs have."""
    readings = GENERATED if pairs[0].product.run.images else LOADED
    return [[case_id, name, *_cells(reading, pairs)] for name, reading in readings.items()]


def _cells(reading: Callable[[Measured], float | None], pairs: Sequence[Pair]) -> list[str]:
    sides = ([pair.baseline for pair in pairs], [pair.product for pair in pairs])
    values = [[value for each in side if (value := reading(each)) is not None] for side in sides]
    ratios = Spread.of([ratio for pair in pairs if (ratio := pair.ratio(reading)) is not None])
    loads = [pair.load for pair in pairs]
    return [
        *(spread(Spread.of(each)) for each in values),
        f"{ratios.median:.3f} ({ratios.least:.3f}-{ratios.most:.3f})" if ratios else "-",
        str(len(pairs)),
        f"{number(min(loads))}-{number(max(loads))}",
    ]


def render(pairs: dict[str, Sequence[Pair]]) -> str:
    """Return the table of all cases."""
    return table(HEADER, (row for case_id, done in pairs.items() for row in rows(case_id, done)))
