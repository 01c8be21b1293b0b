"""Builds what limits callers. Each part imports its modules when it is first used (wiring.py)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from imagegen.access import tenant
from imagegen.limits.quota import Quota
from imagegen.limits.rate_limit import RatePolicy, RouteClass
from imagegen.limits.tenant_limits import UNLIMITED, LimitsOf, TenantLimits
from imagegen.redis_wiring import RedisParts
from imagegen.settings import Settings

if TYPE_CHECKING:
    from imagegen.jobs.ports import Clock
    from imagegen.limits.limiter import Limiter
    from imagegen.limits.ports import Quotas, UsageStore


def limits_from(settings: Settings) -> LimitsOf:
    """Return the limits of every tenant. Direct invocations, which the deployment's owner makes, have none."""
    limits = tenant_limits(settings)
    return lambda each: UNLIMITED if each == tenant.LOCAL else limits


def tenant_limits(settings: Settings) -> TenantLimits:
    """Return the limits that the settings give to each tenant."""
    rates: dict[RouteClass, tuple[float, int]] = {
        "drawing": (settings.drawing_per_second, settings.drawing_burst),
        "submitting": (settings.submitting_per_second, settings.submitting_burst),
        "looking": (settings.looking_per_second, settings.looking_burst),
    }
    policies = {name: RatePolicy(name, rate, burst) for name, (rate, burst) in rates.items() if rate}
    quota = Quota(
        images=settings.monthly_images or None,
        usd=settings.monthly_usd or None,
        request_usd=settings.usd_per_request or None,
        open_jobs=settings.tenant_queue_depth or None,
    )
    return TenantLimits(policies, quota)


class LimitParts(RedisParts):
    """The parts of a Container that limit callers and record what they use."""

    settings: Settings
    clock: Clock
    limits_of: LimitsOf

    @cached_property
    def limiter(self) -> Limiter:
        """Rates and quotas of the callers."""
        from imagegen.aws.admissions import DynamoAdmissions
        from imagegen.aws.rate_limits import DynamoRateLimits
        from imagegen.limits.limiter import Limiter
        from imagegen.limits.rate_limit import TatMemory

        table, buckets = self.settings.table_name, TatMemory()
        rates = DynamoRateLimits(table, self.clock, buckets)
        admissions = DynamoAdmissions(table, self.clock, self.quotas, buckets)
        if self.redis is None:
            return Limiter(self.limits_of, rates, admissions, self.quotas, self.clock)
        from imagegen.redis.admissions import RedisAdmissions
        from imagegen.redis.rate_limits import RedisBuckets, RedisRateLimits

        in_redis = RedisBuckets(self.redis, table)
        return Limiter(
            self.limits_of,
            RedisRateLimits(in_redis, rates),
            RedisAdmissions(in_redis, admissions, self.quotas),
            self.quotas,
            self.clock,
        )

    @cached_property
    def usage(self) -> UsageStore:
        """What tenants have used."""
        from imagegen.aws.usage import DynamoUsage

        return DynamoUsage(self.settings.table_name, self.clock)

    @cached_property
    def quotas(self) -> Quotas:
        """Reservations in DynamoDB."""
        from imagegen.aws.quotas import DynamoQuotas

        return DynamoQuotas(self.settings.table_name, self.clock)
