"""What a tenant has used: images, milliseconds and dollars by month and model. Pure.

The bill of a piece of work, the usage and the quota change in one transaction, so that the sum of a month's bills is
its usage to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from imagegen.limits.quota import Amount


@dataclass(frozen=True)
class Charge:
    """What finished work costs its tenant. `billed_ms` is the compute time in milliseconds."""

    model: str
    images: int
    billed_ms: int
    usd: Decimal

    @classmethod
    def of(cls, model: str, *, images: int, billed_ms: int, usd: float | Decimal, cached: bool) -> Charge:
        """Return the charge of a result. Images from the cache cost nothing: someone has paid for them before."""
        amount = Amount() if cached else Amount.of(images, usd)
        return cls(model, amount.images, 0 if cached else billed_ms, amount.usd)

    @property
    def amount(self) -> Amount:
        """The images and dollars, as a quota counts them."""
        return Amount(self.images, self.usd)

    def within(self, reserved: Amount | None) -> Charge:
        """Return the charge with at most the images and dollars that were reserved; None: all of them.

        A run ends when it has used what it reserved, but storing its images may take a moment longer. The tenant does
        not pay for that, so neither bills nor usage exceed a quota.
        """
        paid = self.amount.at_most(reserved) if reserved else self.amount
        return replace(self, images=paid.images, usd=paid.usd)

    def bill(self, month: str) -> dict[str, Any]:
        """Return the bill's attributes. `month` is the one whose quota was charged, such as 2026-11."""
        return {
            "images": self.images,
            "billed_ms": self.billed_ms,
            "usd": f"{self.usd.normalize():f}",
            "model": self.model,
            "quota_month": month,
        }

    @property
    def nothing(self) -> bool:
        """Whether it changes no sum."""
        return not (self.images or self.billed_ms or self.usd)


@dataclass(frozen=True)
class Usage:
    """What a tenant has used of one model in one month (UTC, such as 2026-11)."""

    month: str
    model: str
    images: int
    billed_ms: int
    usd: Decimal


@dataclass(frozen=True)
class ReportPage:
    """The usage of some tenants in a month; the next page begins `after` this tenant and model, None: there is none."""

    rows: list[tuple[str, Usage]]
    after: tuple[str, str] | None


def total(usages: Iterable[Usage]) -> Amount:
    """Return the images and dollars of all usages."""
    each = list(usages)
    return Amount(sum(usage.images for usage in each), sum((usage.usd for usage in each), Decimal(0)))
