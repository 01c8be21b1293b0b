"""The choices side by side: what a month costs, and from how many images on another one is cheaper."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Final

from imagegen_cli.cost.choices import CHOICES, Choice, Situation
from imagegen_cli.cost.tariff import Charge
from imagegen_cli.cost.workload import Workload

MOST_IMAGES: Final = 100_000_000
_POINTS: Final = 161
"""20 a decade: two crossings within 12 % of each other may be missed."""


@dataclass(frozen=True)
class Estimate:
    """What a choice costs a month; without charges if it has no price, for the reason `missing`."""

    choice: Choice
    charges: tuple[Charge, ...]
    missing: str

    @property
    def usd(self) -> float:
        return math.fsum(charge.usd for charge in self.charges)


@dataclass(frozen=True)
class BreakEven:
    """First number of images a month at which `above` is cheaper than `below`."""

    images: int
    below: Choice
    above: Choice


@dataclass(frozen=True)
class Comparison:
    """All choices for one month."""

    month: Workload
    situation: Situation
    free_tier: bool

    def estimates(self) -> tuple[Estimate, ...]:
        """Return an estimate per choice, in their order."""
        return tuple(self._estimate(choice) for choice in CHOICES)

    def usd(self, choice: Choice, images: int) -> float:
        """Return what a choice that has a price costs for another number of images."""
        lines = choice.lines(replace(self.month, images=images), self.situation)
        return math.fsum(charge.usd for charge in self.situation.tariff.bill(lines, self.free_tier))

    def break_evens(self) -> tuple[BreakEven, ...]:
        """Return where the order of two choices changes first, for every pair that has such a point."""
        priced = [choice for choice in CHOICES if not choice.missing(self.situation)]
        found = (self._crossing(*pair) for pair in combinations(priced, 2))
        return tuple(sorted((each for each in found if each), key=lambda each: each.images))

    def _estimate(self, choice: Choice) -> Estimate:
        missing = choice.missing(self.situation)
        lines = () if missing else choice.lines(self.month, self.situation)
        return Estimate(choice, self.situation.tariff.bill(lines, self.free_tier), missing)

    def _crossing(self, one: Choice, other: Choice) -> BreakEven | None:
        points = list(numbers_of_images())
        if self.usd(one, points[0]) > self.usd(other, points[0]):
            one, other = other, one
        for low, high in pairwise(points):
            if self.usd(other, high) < self.usd(one, high):
                return BreakEven(self._first(one, other, low, high), one, other)
        return None

    def _first(self, one: Choice, other: Choice, low: int, high: int) -> int:
        """Return the least number of images in (low, high] for which `other` is cheaper, by bisection."""
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.usd(other, middle) < self.usd(one, middle) else (middle, high)
        return high


def numbers_of_images() -> Iterator[int]:
    """Yield 1 to MOST_IMAGES in even steps of the logarithm."""
    exponent = math.log10(MOST_IMAGES) / (_POINTS - 1)
    yield from sorted({round(10 ** (point * exponent)) for point in range(_POINTS)})
