"""The limits of a tenant. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from imagegen.limits.quota import NO_QUOTA, Quota
from imagegen.limits.rate_limit import RatePolicy, RouteClass


@dataclass(frozen=True)
class TenantLimits:
    """How often a tenant may call routes of each class, and what its work may cost in a month.

    A class of routes without a policy has no limit.
    """

    rates: Mapping[RouteClass, RatePolicy] = field(default_factory=dict)
    quota: Quota = NO_QUOTA


UNLIMITED: Final = TenantLimits()

LimitsOf = Callable[[str], TenantLimits]
"""Returns the limits of a tenant."""
