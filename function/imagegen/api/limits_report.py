"""Response schemas of what limits a tenant and what it has used: GET /usage, GET /report, and a part of GET /me."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Self

from pydantic import Field

from imagegen.generation.result import ResponseModel
from imagegen.limits.quota import Amount, month_of, next_month
from imagegen.limits.rate_limit import RouteClass
from imagegen.limits.tenant_limits import TenantLimits
from imagegen.limits.usage import ReportPage, Usage, total

_DOLLARS: Any = {"pattern": r"^[0-9]+(\.[0-9]+)?$"}


def _usd(description: str) -> Any:
    return Field(description=f"{description} US dollars, as a decimal number in a string.", json_schema_extra=_DOLLARS)


class RateInfo(ResponseModel):
    """A limit of requests."""

    route_class: RouteClass = Field(
        description="`drawing`: POST /generate. `looking`: GET. `submitting`: everything else that changes something."
    )
    per_second: float = Field(description="Requests per second in the long run.")
    burst: int = Field(description="Requests at once.")


class LimitsInfo(ResponseModel):
    """What limits a tenant, and what is left of it. Null: no limit."""

    rates: list[RateInfo] = Field(description="Limits of requests; a class that is not here has none.")
    month: str = Field(description="The month (UTC) of the figures, such as 2026-11.")
    resets_at: str = Field(description="When the next month begins.", json_schema_extra={"format": "date-time"})
    monthly_images: int | None = Field(description="Images in a month.")
    images_left: int | None = Field(description="Images that are neither used nor reserved.")
    monthly_usd: str | None = _usd("Limit of a month.")
    usd_left: str | None = _usd("Neither used nor reserved.")
    usd_per_request: str | None = _usd("What a request may cost.")
    unfinished_jobs: int | None = Field(description="Jobs that may be unfinished at once.")

    @classmethod
    def of(cls, limits: TenantLimits, committed: Amount, now_ms: int) -> Self:
        """Return the limits of which `committed` is used and reserved in the month."""
        quota = limits.quota
        return cls(
            rates=[
                RateInfo(route_class=name, per_second=policy.per_second, burst=policy.burst)
                for name, policy in limits.rates.items()
            ],
            month=month_of(now_ms),
            resets_at=next_month(now_ms),
            monthly_images=quota.images,
            images_left=None if quota.images is None else max(0, quota.images - committed.images),
            monthly_usd=_dollars(quota.usd),
            usd_left=None if quota.usd is None else _dollars(max(Decimal(0), quota.usd - committed.usd)),
            usd_per_request=_dollars(quota.request_usd),
            unfinished_jobs=quota.open_jobs,
        )


class ModelUsage(ResponseModel):
    """What one model was used for in one month."""

    month: str = Field(description="A month in UTC, such as 2026-11.")
    model: str
    images: int = Field(description="Images that were generated. Those from the cache do not count.")
    seconds: float = Field(description="Compute time.")
    usd: str = _usd("What they cost.")

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Return the sums of a month and model."""
        usd = f"{usage.usd.normalize():f}"
        return cls(month=usage.month, model=usage.model, images=usage.images, seconds=usage.billed_ms / 1000, usd=usd)


class UsageReport(ResponseModel):
    """The response of GET /usage: exactly the sum of the bills."""

    usage: list[ModelUsage] = Field(description="By month and model, the oldest month first.")
    images: int = Field(description="The sum of all.")
    seconds: float = Field(description="The sum of all.")
    usd: str = _usd("The sum of all.")

    @classmethod
    def of(cls, usages: Sequence[Usage]) -> Self:
        """Return the report of these sums."""
        amount, milliseconds = total(usages), sum(each.billed_ms for each in usages)
        return cls(
            usage=[ModelUsage.of(each) for each in usages],
            images=amount.images,
            seconds=milliseconds / 1000,
            usd=f"{amount.usd.normalize():f}",
        )


class TenantUsage(ModelUsage):
    """What one tenant used one model for in the month."""

    tenant: str


class MonthlyReport(ResponseModel):
    """The response of GET /report: exactly the sums of the bills."""

    month: str = Field(description="A month in UTC, such as 2026-11.")
    rows: list[TenantUsage] = Field(description="By tenant and model.")
    cursor: str | None = Field(description="For the next page; null on the last page.")

    @classmethod
    def of(cls, month: str, page: ReportPage, cursor: str | None) -> Self:
        """Return the page; `cursor` names the next one."""
        rows = [TenantUsage(tenant=tenant, **ModelUsage.of(usage).model_dump()) for tenant, usage in page.rows]
        return cls(month=month, rows=rows, cursor=cursor)


def _dollars(usd: Decimal | None) -> str | None:
    return None if usd is None else f"{usd.normalize():f}"
