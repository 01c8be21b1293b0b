"""Lambda's price of compute time. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from imagegen.generation.result import ColdStartCause, Cost, ModelLoad, Outcome, Result
from imagegen.limits.usage import Charge


@dataclass(frozen=True)
class Pricing:
    """Lambda's price for the memory size of the function that generates."""

    memory_mb: int
    usd_per_gb_second: float

    def cost(self, seconds: float) -> Cost:
        """Return the cost of `seconds` of compute."""
        return Cost.of(seconds, self.memory_mb, self.usd_per_gb_second)

    def usd(self, seconds: float) -> Decimal:
        """Return the price of `seconds` of compute in US dollars."""
        return Decimal(str(self.cost(max(0.0, seconds)).usd))

    def model_load(self, cause: ColdStartCause, seconds: float, shared_by: int = 1) -> ModelLoad:
        """Return a load for which `shared_by` generations of a batch waited `seconds`, with what each of them paid."""
        return ModelLoad(cause=cause, waited_ms=round(seconds * 1000), usd=self.cost(seconds / shared_by).usd)

    def seconds(self, usd: Decimal) -> float:
        """Return the seconds of compute that `usd` pays for; infinite if compute is free."""
        usd_per_second = self.memory_mb / 1024 * self.usd_per_gb_second
        return float(usd) / usd_per_second if usd_per_second else math.inf


def charge_of(made: Outcome | Result) -> Charge:
    """Return what the images cost their tenant. Those from the cache cost nothing."""
    cost, images = made.cost, len(made.images)
    return Charge.of(made.model, images=images, billed_ms=cost.billed_ms, usd=cost.usd, cached=made.cached)
