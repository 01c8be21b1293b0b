"""What limits need from the table. Every call raises StorageUnavailable if the table does not respond."""

from __future__ import annotations

from typing import Protocol

from imagegen.limits.quota import Amount, Quota, Reservation
from imagegen.limits.rate_limit import Decision, RatePolicy
from imagegen.limits.usage import Charge, ReportPage, Usage


class RateLimits(Protocol):
    """One bucket per tenant and class of routes."""

    def take(self, tenant: str, policy: RatePolicy) -> Decision:
        """Decide on one request, and count it if it is admitted. At most `policy.burst` are admitted at once."""


class Quotas(Protocol):
    """Reservations. Each is settled once, by the process that made it or by the sweeper."""

    def reserve(self, reservation: Reservation, quota: Quota, key_id: str | None = None) -> None:
        """Hold the amount. Safe to repeat. Raises RequestTooExpensive, QuotaExceeded, QueueFull or RateLimited.

        Raises InvalidCredentials if the tenant's key `key_id` has ended.
        """

    def settle(self, reservation: Reservation, charge: Charge | None = None) -> bool:
        """Replace the amount by the charge; None: the work failed, was cancelled or blocked, and costs nothing.

        Writes the bill and the usage in the same transaction. Safe to repeat: returns False, and changes nothing, if
        the reservation is settled already.
        """

    def billed(self, reservation: Reservation) -> bool:
        """Return whether the work has a bill, so whether it was settled with a charge."""

    def lost(self, limit: int) -> list[Reservation]:
        """Return up to `limit` reservations that nobody has settled in time, the oldest first."""

    def committed(self, tenant: str, month: str) -> Amount:
        """Return the month's images and dollars, used and reserved."""


class Admissions(Protocol):
    """A rate decision and a reservation in one call."""

    def admit(
        self, policy: RatePolicy | None, reservation: Reservation, quota: Quota, key_id: str | None = None
    ) -> Decision | None:
        """Count the request and hold the amount, or neither. Raises RateLimited and what Quotas.reserve raises.

        None without a policy: there is no rate limit.
        """


class UsageStore(Protocol):
    """Sums of bills."""

    def usage(self, tenant: str, first: str, last: str) -> list[Usage]:
        """Return the usage of the months from `first` to `last`, both included and such as 2026-11, oldest first."""

    def report(self, month: str, *, limit: int, after: tuple[str, str] | None) -> ReportPage:
        """Return up to `limit` rows of all tenants' usage of the month, which follow the tenant and model `after`."""
