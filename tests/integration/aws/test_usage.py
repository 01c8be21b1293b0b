"""The usage rows of the table, against the bills."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import boto3
import pytest

from imagegen.limits.quota import Amount, Quota
from imagegen.limits.usage import Usage, total
from tests.support.aws_calls import at_once, default_session
from tests.support.limits_world import MONTH, LimitsWorld, charge


def test_usage_by_month_and_model_is_the_sum_of_the_bills(limits: LimitsWorld) -> None:
    random = Random(17)
    charges = [
        charge(
            random.randint(0, 8), f"0.{random.randint(0, 10**8 - 1):08}", random.choice(["demo", "sd-turbo", "sdxl"])
        )
        for _ in range(48)
    ]
    reservations = [limits.reservation(f"r-{number}", 8, "1") for number in range(48)]

    def draw(thread: int) -> None:
        for number in range(thread, 48, 16):
            limits.quotas.reserve(reservations[number], Quota())
            limits.quotas.settle(reservations[number], charges[number])

    at_once(16, draw)
    usages = limits.usage.usage("alice", MONTH, MONTH)
    bills = limits.items("BILL#")
    assert [usage.model for usage in usages] == ["demo", "sd-turbo", "sdxl"]
    for usage in usages:
        of_model = [bill for bill in bills if bill["model"] == usage.model]
        assert usage == Usage(
            MONTH,
            usage.model,
            sum(int(bill["images"]) for bill in of_model),
            sum(int(bill["billed_ms"]) for bill in of_model),
            sum((Decimal(bill["usd"]) for bill in of_model), Decimal(0)),
        )
    assert total(usages) == limits.billed() == limits.quotas.committed("alice", MONTH)


def spend(limits: LimitsWorld, month: str, model: str, tenant: str = "alice") -> None:
    reservation = replace(limits.reservation(f"{month}-{model}", tenant=tenant), month=month)
    limits.quotas.reserve(reservation, Quota())
    limits.quotas.settle(reservation, charge(model=model))


def test_a_range_of_months_includes_both_ends_and_no_other_tenant(limits: LimitsWorld) -> None:
    for month in ("2025-12", "2026-01", "2026-02", "2026-03"):
        spend(limits, month, "demo")
    spend(limits, "2026-02", "sdxl")
    spend(limits, "2026-02", "demo", tenant="bob")
    limits.calls.take()
    found = [(usage.month, usage.model) for usage in limits.usage.usage("alice", "2026-01", "2026-02")]
    assert limits.calls.take() == ["Query"]
    assert found == [("2026-01", "demo"), ("2026-02", "demo"), ("2026-02", "sdxl")]
    assert limits.usage.usage("carol", "2026-01", "2026-12") == []


def test_every_page_of_a_long_answer_is_read(limits: LimitsWorld) -> None:
    for number in range(5):
        spend(limits, MONTH, f"model-{number}")

    def one_row(params: dict[str, Any], **_: Any) -> None:
        params["Limit"] = 1

    default_session().events.register("provide-client-params.dynamodb.Query", one_row)
    usages = type(limits.usage)(limits.table, limits.clock).usage("alice", MONTH, MONTH)
    assert len(usages) == 5
    assert total(usages) == Amount.of(5, "0.02")


def reported(limits: LimitsWorld, month: str, limit: int) -> list[tuple[str, Usage]]:
    """Return all rows, read in pages of at most `limit`."""
    rows: list[tuple[str, Usage]] = []
    page = limits.usage.report(month, limit=limit, after=None)
    while True:
        assert len(page.rows) <= limit
        rows += page.rows
        if page.after is None:
            return rows
        page = limits.usage.report(month, limit=limit, after=page.after)


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
def test_the_report_of_a_month_is_the_sum_of_all_bills(limits: LimitsWorld, limit: int) -> None:
    """Whatever the size of its pages: every tenant and model once, and nothing of another month."""
    random, tenants, models = Random(23), ["alice", "bob", "carol", "dave-2"], ["demo", "sd-turbo", "sdxl"]
    for number in range(40):
        held = limits.reservation(f"r-{number}", 8, "1", tenant=random.choice(tenants))
        held = replace(held, month=random.choice([MONTH, MONTH, "2026-10"]))
        limits.quotas.reserve(held, Quota())
        usd = f"0.{random.randint(0, 10**8 - 1):08}"
        limits.quotas.settle(held, charge(random.randint(0, 8), usd, random.choice(models)))
    bills = [bill for bill in limits.items("BILL#") if bill["quota_month"] == MONTH]
    rows = reported(limits, MONTH, limit)
    assert sorted((tenant, usage.model) for tenant, usage in rows) == sorted(
        {(bill["tenant"], bill["model"]) for bill in bills}
    )
    for tenant, usage in rows:
        own = [bill for bill in bills if (bill["tenant"], bill["model"]) == (tenant, usage.model)]
        assert (usage.month, usage.images) == (MONTH, sum(int(bill["images"]) for bill in own))
        assert usage.usd == sum((Decimal(bill["usd"]) for bill in own), Decimal(0))
        assert usage in limits.usage.usage(tenant, MONTH, MONTH)


def test_a_page_of_a_report_costs_two_calls_and_an_empty_month_one(limits: LimitsWorld) -> None:
    spend(limits, MONTH, "demo")
    limits.calls.take()
    assert len(limits.usage.report(MONTH, limit=100, after=None).rows) == 1
    assert limits.calls.take() == ["Query", "BatchGetItem"]
    assert limits.usage.report("2026-10", limit=100, after=None).rows == []
    assert limits.calls.take() == ["Query"]


def test_usage_that_an_earlier_version_began_is_in_the_report_after_its_next_charge(limits: LimitsWorld) -> None:
    spend(limits, MONTH, "demo")
    (row,) = limits.items("USAGE#")
    key = {"pk": row["pk"], "sk": row["sk"]}
    boto3.resource("dynamodb").Table(limits.table).update_item(Key=key, UpdateExpression="REMOVE turn_shard")
    assert reported(limits, MONTH, 100) == []
    limits.quotas.settle(limits.reserve("next"), charge())
    assert [usage.images for _, usage in reported(limits, MONTH, 100)] == [2]
