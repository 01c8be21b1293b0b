"""Monthly quotas of images and dollars, reserved before work and settled after it. Pure.

A reservation is an upper bound of what the work may cost. Settling replaces it by what the work did cost, but never by
more, so that a quota is never exceeded, whatever runs at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Final

from imagegen.errors import QueueFull, QuotaExceeded, RequestTooExpensive

USD_STEP: Final = Decimal("0.00000001")
"""Bills have eight decimal places. Decimals of DynamoDB add up exactly; floats would not."""
QUEUE_RETRY_S: Final = 10
"""Retry-After of a full queue, in seconds."""


@dataclass(frozen=True)
class Amount:
    """Images and US dollars, both at least 0."""

    images: int = 0
    usd: Decimal = Decimal(0)

    @classmethod
    def of(cls, images: int, usd: float | str | Decimal) -> Amount:
        """Return the amount with its dollars rounded up to USD_STEP. Raises ValueError below 0 or if not finite."""
        dollars = Decimal(str(usd))
        if images < 0 or not dollars.is_finite() or dollars < 0:
            raise ValueError("images and usd must be finite and at least 0")
        return cls(images, dollars.quantize(USD_STEP, ROUND_CEILING))

    def at_most(self, other: Amount) -> Amount:
        """Return the smaller images and the smaller dollars of both."""
        return Amount(min(self.images, other.images), min(self.usd, other.usd))


@dataclass(frozen=True)
class Quota:
    """A tenant's limits; None is no limit. `request_usd` caps one request.

    `open_jobs` counts the tenant's unfinished jobs, `all_open_jobs` those of all tenants.
    """

    images: int | None = None
    usd: Decimal | None = None
    request_usd: Decimal | None = None
    open_jobs: int | None = None
    all_open_jobs: int | None = None

    def covers(self, amount: Amount, committed: Amount) -> bool:
        """Return whether the month has room for the amount besides what is used and reserved."""
        images_fit = self.images is None or committed.images + amount.images <= self.images
        return images_fit and (self.usd is None or committed.usd + amount.usd <= self.usd)

    def bound(self, amount: Amount) -> Amount:
        """Return the amount with at most the dollars that one request, or a whole month, may cost.

        It is what a request reserves whose cost is not known, and the run must end when it has used it.
        """
        caps = [usd for usd in (self.request_usd, self.usd) if usd is not None]
        return Amount(amount.images, min([amount.usd, *caps]))


NO_QUOTA: Final = Quota()
"""No limit at all."""


@dataclass(frozen=True)
class Reservation:
    """An amount held for one piece of work, whose `id` is that of the job or of the request.

    It counts in the month in which it was made, also if the work ends in the next one. A process that has not settled
    it at `lost_at` (epoch milliseconds) is dead: the sweeper releases it then. `in_all` is whether a job also counts
    among those of all tenants.
    """

    tenant: str
    id: str
    month: str
    amount: Amount
    lost_at: int
    is_job: bool = False
    in_all: bool = False

    @classmethod
    def made(
        cls,
        tenant: str,
        work_id: str,
        amount: Amount,
        *,
        now_ms: int,
        lasts_s: float,
        is_job: bool = False,
        in_all: bool = False,
    ) -> Reservation:
        """Return a reservation made now for work that cannot last longer than `lasts_s`."""
        return cls(tenant, work_id, month_of(now_ms), amount, now_ms + round(lasts_s * 1000), is_job, in_all)

    def for_job(self, amount: Amount, lost_at: int, *, in_all: bool = False) -> Reservation:
        """Return what becomes of the reservation of a request that becomes a job. It counts in the same month."""
        return replace(self, amount=amount, lost_at=lost_at, is_job=True, in_all=in_all)


def require_affordable(amount: Amount, quota: Quota) -> None:
    """Raise RequestTooExpensive if the request exceeds its own cap or a whole month's quota. Needs no table."""
    if quota.request_usd is not None and amount.usd > quota.request_usd:
        raise RequestTooExpensive(
            f"The request may cost {_dollars(amount.usd)}, and one request may cost at most "
            f"{_dollars(quota.request_usd)}. Ask for fewer images (num_images_per_prompt), fewer steps "
            f"(num_inference_steps) or a smaller size (width, height)."
        )
    if quota.images is not None and amount.images > quota.images:
        raise RequestTooExpensive(
            f"num_images_per_prompt is {amount.images}, and the quota of a whole month is {quota.images}."
        )
    if quota.usd is not None and amount.usd > quota.usd:
        raise RequestTooExpensive(
            f"The request may cost {_dollars(amount.usd)}, and the quota of a whole month is {_dollars(quota.usd)}."
        )


def quota_exceeded(reservation: Reservation, quota: Quota, committed: Amount, now_ms: int) -> QuotaExceeded:
    """Return the error of a request for which `committed`, the month's used and reserved amount, leaves no room.

    The month is the reservation's: it may have ended since, and then a new request is admitted at once.
    """
    amount, (begins, seconds) = reservation.amount, _next_month(_first_of(reservation.month), now_ms)
    if quota.images is not None and committed.images + amount.images > quota.images:
        left = (
            f"{max(0, quota.images - committed.images)} of {quota.images} images are left, {amount.images} are needed"
        )
    else:
        limit = Decimal(0) if quota.usd is None else quota.usd
        left = f"{_dollars(max(Decimal(0), limit - committed.usd))} of {_dollars(limit)} are left, "
        left += f"up to {_dollars(amount.usd)} are needed"
    return QuotaExceeded(f"The monthly quota is used up: {left}. The next month begins at {begins}.", seconds=seconds)


def queue_full(quota: Quota, *, in_all: bool = False) -> QueueFull:
    """Return the error of a job that exceeds the tenant's unfinished jobs or, if `in_all`, those of all tenants."""
    if in_all:
        return QueueFull("The deployment's queue is full. Submit the job again later.", seconds=QUEUE_RETRY_S)
    return QueueFull(
        f"{quota.open_jobs} jobs are not finished, which is the most. Wait for one of them, or cancel one.",
        seconds=QUEUE_RETRY_S,
    )


def month_of(epoch_ms: int) -> str:
    """Return the month in UTC, such as 2026-11."""
    return _utc(epoch_ms).strftime("%Y-%m")


def next_month(epoch_ms: int) -> str:
    """Return when the next month begins in UTC (RFC 3339)."""
    return _next_month(_utc(epoch_ms), epoch_ms)[0]


def _next_month(day: datetime, now_ms: int) -> tuple[str, int]:
    """Return when the month after that of `day` begins, and in how many seconds, rounded up."""
    begins = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    milliseconds = round(begins.timestamp()) * 1000 - now_ms
    return begins.strftime("%Y-%m-%dT%H:%M:%SZ"), max(0, -(-milliseconds // 1000))


def _first_of(month: str) -> datetime:
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def _utc(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms // 1000, UTC)


def _dollars(usd: Decimal) -> str:
    return f"${usd.normalize():f}"
