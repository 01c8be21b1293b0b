"""Accuracy by size, at the model's default steps: which limits can its registry entry state?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from imagegen.catalog.registry import REGISTRY
from imagegen.generation.ports import Engine
from tools.accuracy.measure import KINDS, measure
from tools.accuracy.table import print_header, print_row

Size = tuple[int, int]
"""(width, height) in pixels."""
MULTIPLE: Final = 8


def legal_sizes() -> list[Size]:
    """Return every size that the service accepts for the demo model."""
    limits = REGISTRY["demo"].limits
    sides = range(limits.min_size, limits.max_size + 1, MULTIPLE)
    return [(width, height) for width in sides for height in sides]


def print_table(engines: Iterable[tuple[str, Engine]], sizes: Sequence[Size], count: int) -> None:
    """Measure `count` captions of each kind per size, and print a row for each."""
    print_header(["engine", "width", "height", "count", *(f"{kind} right" for kind in KINDS)])
    for name, engine in engines:
        for size in sizes:
            rates = [f"{measure(engine, two=two, count=count, size=size).right:.0%}" for two in KINDS.values()]
            print_row([name, *size, f"{count} + {count}", *rates])
