"""What the table of a JobWorld says about a tenant: reserved, used and billed.

Of all months: the clock of a JobWorld starts at the real time, so a test that moves it may end in another month.
"""

from __future__ import annotations

from decimal import Decimal

from imagegen.aws.quotas import DynamoQuotas
from imagegen.aws.usage import DynamoUsage
from imagegen.limits.quota import Amount
from imagegen.limits.usage import total
from tests.support.job_world import JobWorld


def committed(world: JobWorld, tenant: str = "alice") -> Amount:
    """The images and dollars of all months, used and reserved."""
    quotas = DynamoQuotas(world.resources["Table"], world.clock)
    months = {str(row["pk"]).rpartition("#")[2] for row in world.items(f"QUOTA#{tenant}#")}
    amounts = [quotas.committed(tenant, month) for month in months]
    return Amount(sum(each.images for each in amounts), sum((each.usd for each in amounts), Decimal(0)))


def used(world: JobWorld, tenant: str = "alice") -> Amount:
    """The usage of all months."""
    return total(DynamoUsage(world.resources["Table"], world.clock).usage(tenant, "0000-01", "9999-12"))


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
