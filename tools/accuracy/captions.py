"""Accuracy by engine, scheduler and number of steps, at the default size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from imagegen.generation.ports import Engine
from tools.accuracy.measure import KINDS, PARTS, measure
from tools.accuracy.table import print_header, print_row

REQUIRED: Final = {"one object": 0.97, "two objects": 0.90}
"""Least share of images that are right in every part, by the kind of caption."""


@dataclass(frozen=True)
class Combination:
    """Request fields of one row."""

    scheduler: str
    steps: int


def print_table(engines: Iterable[tuple[str, Engine]], combinations: Sequence[Combination], count: int) -> bool:
    """Measure `count` captions of each kind, and print a row for each combination with the wrong captions below it.

    Returns whether every row reaches REQUIRED.
    """
    print_header(["engine", "scheduler", "steps", "captions", "count", "all right", *PARTS, "required"])
    reached = [
        _print_row(engine, name, each, kind, count)
        for name, engine in engines
        for each in combinations
        for kind in KINDS
    ]
    return all(reached)


def _print_row(engine: Engine, name: str, each: Combination, kind: str, count: int) -> bool:
    """Print a row. Returns whether it reaches what is required."""
    tally = measure(engine, two=KINDS[kind], count=count, scheduler=each.scheduler, num_inference_steps=each.steps)
    reached = tally.right >= REQUIRED[kind]
    required = f"{REQUIRED[kind]:.0%}{'' if reached else ' missed'}"
    print_row([name, each.scheduler, each.steps, kind, *tally.cells(), required])
    print("".join(f"  wrong: {caption}\n" for caption in tally.wrong), end="", flush=True)
    return reached
