"""The month to price: how many images, and how they are spread over it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

HOURS: Final = 730
"""Hours of a month, as AWS counts them."""
KEPT_WARM_S: Final = 600
"""Seconds for which an unused environment is taken to stay. AWS promises none; practitioners see 5 to 15 minutes."""


@dataclass(frozen=True)
class Workload:
    """Images a month, which arrive at random during `active_hours`, `peak` times as fast in the busiest hour.

    `cold_start_share` overrides the estimate of how many images meet a cold start.
    """

    images: int
    active_hours: float = HOURS
    peak: float = 1.0
    cold_start_share: float | None = None

    @property
    def per_second(self) -> float:
        """Return the mean rate during the active hours."""
        return self.images / (self.active_hours * 3600)

    def concurrency(self, seconds: float) -> float:
        """Return how many images of that length are drawn at once in the mean (Little's law)."""
        return self.per_second * seconds

    def cold_share(self, served: float = 1.0) -> float:
        """Return the share of cold starts among the images, or among a part of them that is served apart.

        An image is cold if none came in the time for which an environment stays: exp(-rate x time), for arrivals at
        random (Poisson). Further environments of a burst are not counted.
        """
        if self.cold_start_share is not None:
            return self.cold_start_share
        return math.exp(-self.per_second * served * KEPT_WARM_S)

    def servers(self, seconds: float) -> int:
        """Return how many machines that draw one image at a time the busiest hour needs; one at least."""
        return max(1, math.ceil(self.concurrency(seconds) * self.peak))
