"""Admits requests: the rate of their class, and the reservation of what they may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from ulid import ULID

from imagegen.errors import GenerationTimeout, StorageUnavailable
from imagegen.limits.ports import Admissions, Quotas, RateLimits
from imagegen.limits.quota import Amount, Reservation
from imagegen.limits.rate_limit import RouteClass
from imagegen.limits.tenant_limits import LimitsOf
from imagegen.limits.usage import Charge
from imagegen.retry import retry

LOST_AFTER_S: Final = 60.0
"""A process that has not settled its reservation this long after the request's deadline is dead."""


@dataclass(frozen=True)
class Admission:
    """A request that may draw, and the headers of its response."""

    reservation: Reservation
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limiter:
    """Rates and quotas of all tenants. A tenant without limits is admitted, and its usage is recorded all the same."""

    limits_of: LimitsOf
    rates: RateLimits
    admissions: Admissions
    quotas: Quotas
    clock: Callable[[], int]

    def take(self, tenant: str, route_class: RouteClass) -> Mapping[str, str]:
        """Count a request that reserves nothing, or whose job does, and return the response's headers.

        At most one call, usually. Raises RateLimited or StorageUnavailable.
        """
        policy = self.limits_of(tenant).rates.get(route_class)
        if policy is None:
            return {}
        decision = self.rates.take(tenant, policy)
        decision.require_allowed()
        return decision.headers

    def admit(self, tenant: str, amount: Amount, lasts_s: float, key_id: str | None = None) -> Admission:
        """Count a request of the class `drawing` and hold its amount, or neither. It ends within `lasts_s` seconds.

        One call, usually. Raises RateLimited, QuotaExceeded, RequestTooExpensive or StorageUnavailable, and
        InvalidCredentials if the tenant's key `key_id` has ended.
        """
        limits, now = self.limits_of(tenant), self.clock()
        work_id = str(ULID.from_timestamp(now / 1000))
        reservation = Reservation.made(tenant, work_id, amount, now_ms=now, lasts_s=lasts_s + LOST_AFTER_S)
        decision = self.admissions.admit(limits.rates.get("drawing"), reservation, limits.quota, key_id)
        return Admission(reservation, decision.headers if decision else {})

    def settle(self, reservation: Reservation, charge: Charge) -> None:
        """Charge what the request cost, and write its bill. One call, usually.

        Raises StorageUnavailable, or GenerationTimeout if the sweeper has released the reservation of a request that
        took longer than it said. Then the caller must not get the images, because nothing is paid for them.
        """
        if not retry(lambda: self.quotas.settle(reservation, charge)) and not self.quotas.billed(reservation):
            raise GenerationTimeout("The request took so long that what it had reserved was released. Submit a job.")

    def release(self, reservation: Reservation) -> None:
        """Give the amount back. A reservation that cannot be released now is left to the sweeper."""
        with suppress(StorageUnavailable):
            self.quotas.settle(reservation)
