"""What work costs: a line for each thing that AWS bills, and their sum. Pure.

Each line is rounded to eight decimal places, half to even, and the bill is the sum of the rounded lines: it is exact by
construction, and differs from the unrounded sum by at most half of the last place for each line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from imagegen.generation.aws_calls import AwsCalls
from imagegen.generation.file_size import largest_file
from imagegen.generation.ports import StoredImage
from imagegen.generation.prices import FALLBACK, NOTED, Prices, prices_of
from imagegen.generation.result import (
    ColdStartCause,
    Cost,
    CostItem,
    CostLine,
    CostUnit,
    ModelLoad,
    Outcome,
    PriceTable,
    Result,
)
from imagegen.generation.spec import GenerationSpec
from imagegen.limits.quota import USD_STEP, Amount
from imagegen.limits.usage import Charge

HOURS_PER_MONTH: Final = 730
"""A year's hours divided by twelve."""
_QUANTITY_STEP: Final = Decimal("1e-12")
"""Of the quantities of lines, which may have no last digit: at S3's price, a step is far below USD_STEP."""


_Line = tuple[CostLine, Decimal]
"""A line and its rounded US dollars."""


@dataclass(frozen=True)
class Stored:
    """What work has written to S3: PUT requests, and bytes times the hours until they expire."""

    puts: int = 0
    byte_hours: Decimal = Decimal(0)

    @classmethod
    def of(cls, images: Sequence[StoredImage], *, remembered: bool) -> Stored:
        """Return the images, and their cache entry if they are `remembered`. The entry's few bytes do not count."""
        kept = (Decimal(each.bytes) * _hours(each) for each in images)
        return cls(len(images) + remembered, sum(kept, Decimal(0)))

    @classmethod
    def at_most(cls, spec: GenerationSpec, days: int) -> Stored:
        """Return the most that the images of `spec`, kept for `days`, can be."""
        images = spec.num_images_per_prompt
        return cls(images + 1, Decimal(images * largest_file(spec) * days * 24))


@dataclass(frozen=True)
class Pricing:
    """The prices of work in a function with this memory.

    `region` is the deployment's. `usd_per_gb_second` is Lambda's price on demand, or the owner's own for every
    environment, which leaves no line for provisioned concurrency. `provisioned` is whether this environment has it.
    Images are kept for `image_days`.
    """

    memory_mb: int
    usd_per_gb_second: float
    region: str = FALLBACK
    provisioned: bool = False
    image_days: int = 7

    def cost(self, seconds: float, calls: AwsCalls, stored: Stored) -> Cost:
        """Return the receipt. Lambda rounds the duration up to 1 ms (AWS Lambda pricing)."""
        billed_ms = max(0, math.ceil(seconds * 1000))
        lines = [*self._compute(billed_ms), *_request_lines(calls, billed_ms / 1000, stored, self._prices)]
        prices = PriceTable(region=self._prices.region, deployment_region=self.region, noted=NOTED)
        return _with_lines(Cost(billed_ms=billed_ms, memory_mb=self.memory_mb, usd=0, prices=prices), lines)

    def nothing(self) -> Cost:
        """Return the receipt of images from the cache."""
        return Cost(billed_ms=0, memory_mb=self.memory_mb, usd=0)

    def usd(self, seconds: float) -> Decimal:
        """Return the price of `seconds` of compute on demand in US dollars."""
        return _line("compute", self._gb_seconds(math.ceil(max(0.0, seconds) * 1000)), "GB-second", self._on_demand)[1]

    def most(self, seconds: float, spec: GenerationSpec, calls: AwsCalls) -> Decimal:
        """Return the most that `seconds` of work can cost: compute on demand, which is the dearest, and all else."""
        stored = Stored.at_most(spec, self.image_days)
        return self.usd(seconds) + _sum(_request_lines(calls, seconds, stored, self._prices))

    def model_load(self, cause: ColdStartCause, seconds: float, shared_by: int = 1) -> ModelLoad:
        """Return a load for which `shared_by` generations of a batch waited `seconds`, with what each of them paid."""
        usd = _sum(self._compute(math.ceil(seconds / shared_by * 1000)))
        return ModelLoad(cause=cause, waited_ms=round(seconds * 1000), usd=float(usd))

    def seconds(self, usd: Decimal) -> float:
        """Return the seconds of compute that `usd` pays for; infinite if compute is free."""
        usd_per_second = self.memory_mb / 1024 * self.usd_per_gb_second
        return float(usd) / usd_per_second if usd_per_second else math.inf

    @property
    def _prices(self) -> Prices:
        return prices_of(self.region)

    @property
    def _on_demand(self) -> Decimal:
        return Decimal(str(self.usd_per_gb_second))

    def _gb_seconds(self, milliseconds: int) -> Decimal:
        return Decimal(milliseconds * self.memory_mb) / 1024 / 1000

    def _compute(self, billed_ms: int) -> list[_Line]:
        found = self._prices.compute_at(self._on_demand) if self.provisioned else None
        used = self._gb_seconds(billed_ms)
        if found is None:
            return [_line("compute", used, "GB-second", self._on_demand)]
        return [
            _line("compute", used, "GB-second", found.in_kept),
            _line("provisioned_concurrency", used, "GB-second", found.kept),
        ]


def charge_of(made: Outcome | Result) -> Charge:
    """Return what the images cost their tenant. Those from the cache cost nothing."""
    cost, images = made.cost, len(made.images)
    return Charge.of(made.model, images=images, billed_ms=cost.billed_ms, usd=cost.usd, cached=made.cached)


def within(cost: Cost, reserved: Amount | None) -> Cost:
    """Return the receipt with at most the dollars that were reserved (Charge.within); None: all of them."""
    usd = Decimal(str(cost.usd))
    if reserved is None or usd <= reserved.usd:
        return cost
    paid = [(each, Decimal(each.usd)) for each in cost.lines]
    return _with_lines(cost, [*paid, _line("not_charged", Decimal(1), "adjustment", reserved.usd - usd)])


def _request_lines(calls: AwsCalls, seconds: float, stored: Stored, prices: Prices) -> list[_Line]:
    """Return the lines of everything but compute. What was not used has none."""
    gb_months = stored.byte_hours / 2**30 / HOURS_PER_MONTH
    used: list[tuple[CostItem, Decimal, CostUnit, Decimal]] = [
        ("lambda_requests", Decimal(calls.invocations), "request", prices.lambda_request),
        ("api_gateway_requests", Decimal(calls.gateway), "request", prices.api_gateway_request),
        ("sqs_requests", Decimal(calls.messages), "request", prices.sqs_request),
        ("dynamodb_writes", Decimal(calls.writes_in(seconds)), "write unit", prices.dynamodb_write),
        ("s3_writes", Decimal(stored.puts), "request", prices.s3_put),
        ("s3_storage", gb_months, "GB-month", prices.s3_gb_month),
    ]
    return [_line(item, quantity, unit, price) for item, quantity, unit, price in used if quantity]


def _line(item: CostItem, quantity: Decimal, unit: CostUnit, usd_per_unit: Decimal) -> _Line:
    """Return the line, computed from the quantity that it shows."""
    shown = quantity.quantize(_QUANTITY_STEP, ROUND_HALF_EVEN)
    usd = (shown * usd_per_unit).quantize(USD_STEP, ROUND_HALF_EVEN)
    line = CostLine(item=item, quantity=_text(shown), unit=unit, usd_per_unit=_text(usd_per_unit), usd=_text(usd))
    return line, usd


def _with_lines(cost: Cost, lines: Sequence[_Line]) -> Cost:
    return cost.model_copy(update={"lines": [line for line, _ in lines], "usd": float(_sum(lines))})


def _sum(lines: Sequence[_Line]) -> Decimal:
    return sum((usd for _, usd in lines), Decimal(0))


def _hours(image: StoredImage) -> Decimal:
    seconds = max(0.0, (image.kept_until - image.stored_at).total_seconds())
    return Decimal(round(seconds)) / 3600


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"
