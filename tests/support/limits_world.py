"""Limits on moto's table, with a clock that tests move."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import boto3

from imagegen.aws.admissions import DynamoAdmissions
from imagegen.aws.quotas import DynamoQuotas
from imagegen.aws.rate_limits import DynamoRateLimits
from imagegen.aws.usage import DynamoUsage
from imagegen.limits.quota import Amount, Quota, Reservation
from imagegen.limits.usage import Charge
from tests.support.aws_calls import AwsCalls
from tools.faults.job_backend import MovableClock

NOON: Final = 1_795_694_400_000
"""2026-11-26T12:00:00Z."""
MONTH: Final = "2026-11"


@dataclass
class LimitsWorld:
    """Adapters on one table."""

    table: str
    calls: AwsCalls = field(default_factory=AwsCalls)
    clock: MovableClock = field(default_factory=lambda: MovableClock(NOON))

    def __post_init__(self) -> None:
        self.quotas, self.usage = DynamoQuotas(self.table, self.clock), DynamoUsage(self.table, self.clock)
        self.rates, self.admissions = self.rates_of_another_process(), self.admissions_of_another_process()

    def rates_of_another_process(self) -> DynamoRateLimits:
        return DynamoRateLimits(self.table, self.clock)

    def admissions_of_another_process(self) -> DynamoAdmissions:
        return DynamoAdmissions(self.table, self.clock, self.quotas)

    def reservation(
        self, work_id: str, images: int = 1, usd: str = "0.01", *, tenant: str = "alice", is_job: bool = False
    ) -> Reservation:
        amount = Amount.of(images, usd)
        return Reservation.made(tenant, work_id, amount, now_ms=self.clock(), lasts_s=90, is_job=is_job)

    def reserve(self, work_id: str, images: int = 1, usd: str = "0.01", quota: Quota | None = None) -> Reservation:
        reservation = self.reservation(work_id, images, usd)
        self.quotas.reserve(reservation, quota or Quota())
        return reservation

    def items(self, prefix: str) -> list[dict[str, Any]]:
        """Return the table's items whose `pk` starts with `prefix`."""
        rows = boto3.resource("dynamodb").Table(self.table).scan()["Items"]
        return [row for row in rows if str(row["pk"]).startswith(prefix)]

    def billed(self, tenant: str = "alice") -> Amount:
        """Return the sum of the tenant's bills."""
        bills = self.items(f"BILL#{tenant}#")
        return Amount(
            sum(int(bill["images"]) for bill in bills), sum((Decimal(bill["usd"]) for bill in bills), Decimal(0))
        )


def charge(images: int = 1, usd: str = "0.004", model: str = "demo") -> Charge:
    """A charge of 1.2 seconds."""
    return Charge(model, images, 1200, Decimal(usd))
