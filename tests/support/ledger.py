"""What the table of a JobWorld says about alice: reserved, used and billed."""

from __future__ import annotations

from decimal import Decimal

from imagegen.aws.quotas import DynamoQuotas
from imagegen.aws.usage import DynamoUsage
from imagegen.limits.quota import Amount, month_of
from imagegen.limits.usage import total
from tests.support.job_world import JobWorld


def committed(world: JobWorld) -> Amount:
    """The month's images and dollars, used and reserved."""
    return DynamoQuotas(world.resources["Table"], world.clock).committed("alice", month_of(world.clock()))


def used(world: JobWorld) -> Amount:
    month = month_of(world.clock())
    return total(DynamoUsage(world.resources["Table"], world.clock).usage("alice", month, month))


def billed(world: JobWorld) -> Amount:
    bills = world.items("BILL#alice#")
    return Amount(sum(int(each["images"]) for each in bills), sum((Decimal(each["usd"]) for each in bills), Decimal(0)))


def unfinished(world: JobWorld) -> int:
    return sum(int(row["jobs"]) for row in world.items("OPEN#alice"))


def settled(world: JobWorld) -> bool:
    """Whether nothing is reserved, and the quota is charged what the bills say."""
    assert committed(world) == billed(world) == used(world)
    return not world.items("RESERVATION#") and unfinished(world) == 0
