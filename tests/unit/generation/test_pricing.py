"""Receipts: hand-computed examples, and that the lines of any receipt add up to the bill."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from imagegen.generation import aws_calls
from imagegen.generation.aws_calls import AwsCalls
from imagegen.generation.ports import StoredImage
from imagegen.generation.prices import FALLBACK, NOTED, PAGES, PRICES
from imagegen.generation.pricing import Pricing, Stored, charge_of, within
from imagegen.generation.result import Cost, Outcome, Timings
from imagegen.jobs.timing import JobTiming
from imagegen.limits.quota import Amount
from imagegen.limits.usage import Charge
from tests.support.plans import plan

X86 = 0.0000166667
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
TABLE_OF_THE_COMMAND = Path(__file__).parents[3] / "cli" / "imagegen_cli" / "cost" / "prices.json"


def stored_image(size: int, days: float = 7) -> StoredImage:
    return StoredImage("images/x.png", size, "0" * 64, NOON, NOON + timedelta(days=days))


def usd_of(cost: Cost) -> dict[str, str]:
    return {line.item: line.usd for line in cost.lines}


def total(cost: Cost) -> Decimal:
    return sum((Decimal(line.usd) for line in cost.lines), Decimal(0))


def test_a_request_by_hand() -> None:
    """Half a second of 10,240 MB, one picture of 1 MiB for 7 days, with its cache entry."""
    stored = Stored.of([stored_image(2**20)], remembered=True)
    cost = Pricing(10240, X86, "us-east-1").cost(0.5, aws_calls.REQUEST, stored)
    assert usd_of(cost) == {
        "compute": "0.00008333",  # 0.5 s x 10 GB x 0.0000166667 = 0.0000833335, half to even
        "lambda_requests": "0.0000004",  # 2 x 0.20 per million
        "api_gateway_requests": "0.0000035",  # 1 x 3.50 per million
        "dynamodb_writes": "0.00001125",  # 18 x 0.625 per million
        "s3_writes": "0.00001",  # 2 x 0.005 per thousand
        "s3_storage": "0.00000517",  # 1/1024 GB x 168 h / 730 h x 0.023 = 0.000005169...
    }
    assert cost.usd == 0.00011365
    assert (cost.billed_ms, cost.memory_mb) == (500, 10240)


def test_a_job_by_hand() -> None:
    """Its second run ends it: 20 s of 10,240 MB, whose lease is renewed four times; two pictures, not cached."""
    stored = Stored.of([stored_image(3 * 10**6)] * 2, remembered=False)
    cost = Pricing(10240, X86, "us-east-1").cost(20, aws_calls.of_job(2), stored)
    assert usd_of(cost) == {
        "compute": "0.00333334",  # 20 s x 10 GB x 0.0000166667
        "lambda_requests": "0.0000008",  # Authorizer, Api and two runs
        "api_gateway_requests": "0.0000035",
        "sqs_requests": "0.0000024",  # two messages, each sent, received and deleted
        "dynamodb_writes": "0.00004875",  # 34 + 2 x 14 + 4 x 4 = 78 units
        "s3_writes": "0.00001",
        "s3_storage": "0.00002958",  # 6 MB = 0.005587... GB x 168 / 730 x 0.023
    }
    assert cost.usd == 0.00342837


def test_a_lease_is_renewed_as_often_as_is_counted() -> None:
    assert JobTiming().renew_s == aws_calls.LEASE_S
    assert [aws_calls.of_job(1).writes_in(seconds) for seconds in (4.9, 5, 14)] == [48, 52, 56]


def test_a_job_that_runs_where_it_was_requested_has_no_message() -> None:
    cost = Pricing(1024, X86).cost(1, aws_calls.of_job(1, is_in_place=True), Stored())
    assert "sqs_requests" not in usd_of(cost)
    assert next(line.quantity for line in cost.lines if line.item == "lambda_requests") == "2"


@pytest.mark.parametrize(
    ("price", "compute", "kept"),
    [
        (X86, "0.00009722", "0.00004167"),  # 10 GB-seconds x 0.0000097222 and x 0.0000041667
        (0.0000133334, "0.00007778", "0.00003333"),  # arm64: x 0.0000077778 and x 0.0000033334
    ],
)
def test_an_environment_with_provisioned_concurrency_has_a_share_of_its_own(
    price: float, compute: str, kept: str
) -> None:
    cost = Pricing(10240, price, provisioned=True).cost(1, AwsCalls(), Stored())
    assert usd_of(cost) == {"compute": compute, "provisioned_concurrency": kept}


def test_an_owners_price_holds_for_every_environment() -> None:
    on_demand, kept = (Pricing(1024, 0.00002, provisioned=each).cost(3, AwsCalls(), Stored()) for each in (False, True))
    assert on_demand == kept
    assert usd_of(kept) == {"compute": "0.00006"}


def test_images_from_the_cache_cost_nothing() -> None:
    cost = Pricing(10240, X86).nothing()
    assert (cost.usd, cost.billed_ms, cost.lines, cost.prices) == (0, 0, [], None)


@pytest.mark.parametrize("region", sorted(PRICES))
def test_a_receipt_names_its_prices(region: str) -> None:
    prices = Pricing(1024, X86, region).cost(1, AwsCalls(), Stored()).prices
    assert prices is not None
    assert (prices.region, prices.deployment_region, prices.noted) == (region, region, NOTED)


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", ""])
def test_a_region_without_prices_says_whose_are_used(region: str) -> None:
    prices = Pricing(1024, X86, region).cost(1, AwsCalls(), Stored()).prices
    assert prices is not None
    assert (prices.region, prices.deployment_region) == (FALLBACK, region)


def test_the_table_is_that_of_the_command_line() -> None:
    other = json.loads(TABLE_OF_THE_COMMAND.read_text(), parse_float=Decimal)
    assert other["noted"] == NOTED
    assert {name: page for name, page in other["pages"].items() if name in PAGES} == PAGES
    assert sorted(other["regions"]) == sorted(PRICES)
    for region, prices in PRICES.items():
        theirs = other["regions"][region]
        assert {
            "lambda_gb_second": prices.compute[0].on_demand,
            "lambda_provisioned_gb_second": prices.compute[0].kept,
            "lambda_provisioned_duration_gb_second": prices.compute[0].in_kept,
            "lambda_million_requests": prices.lambda_request * 10**6,
            "api_gateway_million_requests": prices.api_gateway_request * 10**6,
            "sqs_million_requests": prices.sqs_request * 10**6,
            "dynamodb_million_writes": prices.dynamodb_write * 10**6,
            "s3_thousand_puts": prices.s3_put * 1000,
            "s3_gb_month": prices.s3_gb_month,
        }.items() <= theirs.items()


def anything(chance: random.Random) -> tuple[Pricing, float, AwsCalls, Stored]:
    """Return the prices and the work of a receipt: any memory, price, environment, time, requests and pictures."""
    pricing = Pricing(
        memory_mb=chance.choice([128, 1024, 1769, 3008, 10240, chance.randint(128, 10240)]),
        usd_per_gb_second=chance.choice([X86, 0.0000133334, 0.0, 1.0, round(chance.random() / 1000, 12)]),
        region=chance.choice(["us-east-1", "eu-west-3"]),
        provisioned=chance.random() < 0.5,
    )
    calls = chance.choice([AwsCalls(), aws_calls.REQUEST, aws_calls.of_job(chance.randint(1, 99))])
    images = [stored_image(chance.randint(0, 10**7), chance.uniform(-1, 3650)) for _ in range(chance.randint(0, 16))]
    seconds = chance.choice([0.0, 0.001, chance.random(), 900 * chance.random(), 10800 * chance.random()])
    return pricing, seconds, calls, Stored.of(images, remembered=chance.random() < 0.5)


@pytest.mark.parametrize("seed", range(20))
def test_the_lines_add_up_to_the_bill(seed: int) -> None:
    """For any work, also if it costs more than was reserved. Each line is its quantity x its price, rounded."""
    chance = random.Random(seed)
    for _ in range(200):
        pricing, seconds, calls, stored = anything(chance)
        cost = pricing.cost(seconds, calls, stored)
        reserved = Amount.of(1, Decimal(str(cost.usd)) * Decimal(str(round(2 * chance.random(), 3))))
        paid = within(cost, reserved)
        assert total(cost) == Decimal(str(cost.usd))
        assert total(paid) == Decimal(str(paid.usd)) == min(Decimal(str(cost.usd)), reserved.usd)
        exact = sum(Decimal(line.quantity) * Decimal(line.usd_per_unit) for line in cost.lines)
        assert abs(exact - total(cost)) <= len(cost.lines) * Decimal("0.000000005")
        assert bill_of(paid).usd == bill_of(cost).within(replace(reserved, images=0)).usd == Decimal(str(paid.usd))
        assert Cost.model_validate_json(paid.model_dump_json()) == paid


def bill_of(cost: Cost) -> Charge:
    outcome = Outcome(
        model="demo", images=[], cached=False, cold_start=False, timings=Timings(), cost=cost, warnings=[]
    )
    return charge_of(outcome)


@pytest.mark.parametrize("seed", range(10))
def test_no_receipt_exceeds_what_such_work_can_cost(seed: int) -> None:
    chance, spec = random.Random(seed), plan(num_images_per_prompt=3).spec
    for _ in range(100):
        pricing, seconds, calls, _ = anything(chance)
        images = [stored_image(chance.randint(0, 50_000), chance.uniform(0, pricing.image_days)) for _ in range(3)]
        cost = pricing.cost(seconds, calls, Stored.of(images, remembered=True))
        assert Decimal(str(cost.usd)) <= pricing.most(seconds, spec, calls) + Decimal("0.00000002")


def test_what_exceeds_the_reservation_is_a_line_of_its_own() -> None:
    cost = Pricing(10240, X86).cost(1, aws_calls.REQUEST, Stored())
    paid = within(cost, Amount.of(1, "0.0001"))
    assert paid.usd == 0.0001
    assert usd_of(paid) == {**usd_of(cost), "not_charged": "-0.00008182"}
    assert within(cost, None) is cost


def test_a_receipt_of_an_earlier_version_is_read_as_it_was() -> None:
    old = Cost.model_validate_json('{"billed_ms": 382, "memory_mb": 10240, "usd": 0.00006367}')
    assert (old.usd, old.lines, old.prices) == (0.00006367, [], None)
    assert bill_of(old).usd == Decimal("0.00006367")
