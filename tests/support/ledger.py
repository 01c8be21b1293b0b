"""What the table of a JobWorld says about a tenant: reserved, used and billed."""

from __future__ import annotations

from decimal import Decimal

from imagegen.aws.quotas import DynamoQuotas
from imagegen.aws.usage import DynamoUsage
from imagegen.limits.quota import Amount, month_of
from imagegen.limits.usage import total
from tests.support.job_world import JobWorld


def committed(world: JobWorld, tenant: str = "alice") -> Amount:
    """The month's images and dollars, used and reserved."""
    return DynamoQuotas(world.resources["Table"], world.clock).committed(tenant, month_of(world.clock()))


def used(world: JobWorld, tenant: str = "alice") -> Amount:
    """The month's usage."""
    month = month_of(world.clock())
    return total(DynamoUsage(world.resources["Table"], world.clock).usage(tenant, month, month))


def billed(world: JobWorld, tenant: str = "alice") -> Amount:
    """The sum of all bills."""
    bills = world.items(f"BILL#{tenant}#")
    return Amount(sum(int(each["images"]) for each in bills), sum((Decimal(each["usd"]) for each in bills), Decimal(0)))


def unfinished(world: JobWorld, tenant: str = "alice") -> int:
    """The number of unfinished jobs."""
    return sum(int(row["jobs"]) for row in world.items(f"OPEN#{tenant}"))


def settled(world: JobWorld, tenant: str = "alice") -> bool:
    """Whether nothing is reserved, and the quota is charged what the bills say."""
    assert committed(world, tenant) == billed(world, tenant) == used(world, tenant)
    return not world.items("RESERVATION#") and unfinished(world, tenant) == 0
