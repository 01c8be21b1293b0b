"""Limits as callers see them: refusals, headers, GET /usage and GET /me, and what they cost in AWS calls."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from imagegen.access import tenant
from imagegen.api.rate_limiting import route_class
from imagegen.limits.quota import Quota, month_of
from imagegen.limits.rate_limit import RatePolicy, RouteClass
from imagegen.limits.tenant_limits import TenantLimits
from tests.integration.api.test_callers import NEEDED, body_of, path_of
from tests.support.aws_calls import AwsCalls
from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, JobHandlers, body, header
from tests.support.ledger import billed, committed, settled, used
from tools.lambda_event import authorizer

ALICE = tenant.of_api_key("key-of-alice")
EVERY: dict[RouteClass, RatePolicy] = {
    "drawing": RatePolicy("drawing", 0.5, 1),
    "submitting": RatePolicy("submitting", 0.5, 1),
    "looking": RatePolicy("looking", 0.5, 1),
}


def limit(handlers: JobHandlers, rates: Mapping[RouteClass, RatePolicy] | None = None, **quota: Any) -> None:
    handlers.world.limits = TenantLimits(rates or {}, Quota(**quota))


@pytest.mark.parametrize(("method", "rule"), NEEDED)
def test_every_route_that_needs_a_caller_has_a_limit(handlers: JobHandlers, method: str, rule: str) -> None:
    """The second request is 429 and does nothing; one that waits as told is not."""
    limit(handlers, EVERY)
    caller = authorizer(roles=["user", "operator"])
    scopes = {"requestContext": {"requestId": "r", "path": "/v1", "authorizer": caller}}
    body_ = body_of(method, rule)
    first = handlers.call(method, path_of(rule), body_, **scopes)
    assert first["statusCode"] != 429
    before = handlers.world.items("")
    second = handlers.call(method, path_of(rule), body_, **scopes)
    assert outcome(second) == (429, "rate_limited")
    name = route_class(method, rule)
    assert header(second, "RateLimit-Policy") == f'"{name}";q=1;w=2'
    assert header(second, "RateLimit") == f'"{name}";r=0;t={header(second, "Retry-After")}'
    assert handlers.world.items("") == before
    handlers.world.clock.pass_s(int(header(second, "Retry-After") or 0))
    assert handlers.call(method, path_of(rule), body_, **scopes)["statusCode"] != 429


def test_a_response_that_counted_has_the_headers_of_its_limit(handlers: JobHandlers) -> None:
    limit(handlers, {"drawing": RatePolicy("drawing", 5, 20), "looking": RatePolicy("looking", 10, 40)})
    drawn, listed, unknown = (
        handlers.call("POST", "/generate", PROMPT),
        handlers.call("GET", "/jobs"),
        handlers.call("GET", "/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    )
    assert header(drawn, "RateLimit") == '"drawing";r=19;t=1'
    assert header(listed, "RateLimit") == '"looking";r=39;t=1'
    assert (unknown["statusCode"], header(unknown, "RateLimit")) == (404, '"looking";r=38;t=1')
    assert header(handlers.submit(), "RateLimit") is None, "a class without a limit"


@pytest.mark.parametrize("headers", [{"Idempotency-Key": "k"}, {"Prefer": "respond-async"}], ids=str)
def test_a_request_that_runs_as_a_job_counts_as_drawing(handlers: JobHandlers, headers: dict[str, str]) -> None:
    limit(handlers, {"drawing": RatePolicy("drawing", 0.5, 1)})
    assert handlers.call("POST", "/generate", PROMPT, headers=headers)["statusCode"] < 300
    assert outcome(handlers.call("POST", "/generate", PROMPT, headers=headers)) == (429, "rate_limited")


@pytest.mark.parametrize(
    ("method", "path", "calls"),
    [("POST", "/generate", 2), ("GET", "/models", 1), ("GET", "/me", 2), ("GET", "/usage", 2), ("GET", "/jobs", 2)],
)
def test_limits_need_at_most_two_calls(handlers: JobHandlers, method: str, path: str, calls: int) -> None:
    """Of GET /jobs, the second is the list itself. The gateway's authorizer is a function of its own."""
    handlers.world.limits = TenantLimits(EVERY, Quota(images=9, usd=Decimal(9), request_usd=Decimal(1), open_jobs=9))
    counted = AwsCalls()
    assert handlers.call(method, path, PROMPT if method == "POST" else b"")["statusCode"] == 200
    assert len(counted.take()) == calls


def test_a_job_adds_one_call_to_its_submission_and_none_to_its_run(handlers: JobHandlers) -> None:
    counted = AwsCalls()
    for _ in range(2):  # the first one also takes the first turn
        counted.take()
        handlers.submit()
        handlers.run_queued_jobs()
    without = counted.take()
    handlers.world.limits = TenantLimits(EVERY, Quota(images=9, usd=Decimal(9), request_usd=Decimal(1), open_jobs=9))
    handlers.submit()
    handlers.run_queued_jobs()
    assert len(counted.take()) == len(without) + 1


def test_an_exhausted_quota_is_429_until_the_month_ends(handlers: JobHandlers) -> None:
    limit(handlers, images=1)
    assert handlers.call("POST", "/generate", PROMPT)["statusCode"] == 200
    for refused in (handlers.call("POST", "/generate", PROMPT), handlers.submit()):
        assert outcome(refused) == (429, "quota_exceeded")
        assert "0 of 1 images are left, 1 are needed" in body(refused)["detail"]
        handlers.world.clock.pass_s(0)
    handlers.world.clock.pass_s(int(header(refused, "Retry-After") or 0))
    assert handlers.submit()["statusCode"] == 202


def test_a_tenant_with_as_many_unfinished_jobs_as_it_may_have_gets_429(handlers: JobHandlers) -> None:
    limit(handlers, open_jobs=1)
    assert handlers.submit()["statusCode"] == 202
    refused = handlers.submit()
    assert (outcome(refused), header(refused, "Retry-After")) == ((429, "queue_full"), "10")
    handlers.run_queued_jobs()
    assert handlers.submit()["statusCode"] == 202


@pytest.mark.parametrize(
    ("quota", "change"), [({"images": 1}, {"num_images_per_prompt": 2}), ({"request_usd": Decimal("1e-8")}, {})]
)
def test_a_request_that_costs_too_much_is_422(
    handlers: JobHandlers, quota: dict[str, Any], change: dict[str, Any]
) -> None:
    limit(handlers, **quota)
    assert outcome(handlers.call("POST", "/generate", PROMPT | change)) == (422, "request_too_expensive")
    assert settled(handlers.world, ALICE)


def test_usage_is_what_the_bills_say(handlers: JobHandlers) -> None:
    world = handlers.world
    handlers.call("POST", "/generate", PROMPT | {"num_images_per_prompt": 2})
    handlers.submit(PROMPT | {"num_images_per_prompt": 3})
    handlers.run_queued_jobs()
    report = body(handlers.call("GET", "/usage"))
    bills = world.items("BILL#")
    (row,) = report["usage"]
    assert (row["month"], row["model"], row["images"]) == (month_of(world.clock()), "demo", 5)
    assert row["seconds"] == report["seconds"] == sum(int(bill["billed_ms"]) for bill in bills) / 1000
    assert Decimal(row["usd"]) == Decimal(report["usd"]) == billed(world, ALICE).usd > 0
    assert billed(world, ALICE) == used(world, ALICE) == committed(world, ALICE)


def test_usage_has_the_months_that_the_caller_names(handlers: JobHandlers) -> None:
    world = handlers.world
    handlers.call("POST", "/generate", PROMPT)
    first = month_of(world.clock())
    world.clock.pass_s(32 * 86_400)
    second = month_of(world.clock())
    handlers.call("POST", "/generate", PROMPT)
    months = {
        name: [each["month"] for each in body(_usage(handlers, **query))["usage"]]
        for name, query in {
            "this": {}, "both": {"from": first, "to": second}, "first": {"to": first}, "since": {"from": first},
        }.items()
    }  # fmt: skip
    assert months == {"this": [second], "both": [first, second], "first": [first], "since": [first, second]}


@pytest.mark.parametrize(
    ("query", "field"),
    [({"from": "2026-13"}, "from"), ({"to": "november"}, "to"), ({"from": "2026-12", "to": "2026-11"}, "from"),
     ({"month": "2026-11"}, "month")],
)  # fmt: skip
def test_usage_rejects_what_is_no_month(handlers: JobHandlers, query: dict[str, str], field: str) -> None:
    refused = _usage(handlers, **query)
    assert refused["statusCode"] == 422
    assert [each["field"] for each in body(refused)["errors"]] == [field]


def test_me_has_the_limits_and_what_is_left(handlers: JobHandlers) -> None:
    assert body(handlers.call("GET", "/me"))["limits"]["images_left"] is None
    limit(
        handlers,
        {"drawing": RatePolicy("drawing", 2, 10)},
        images=10,
        usd=Decimal(20),
        request_usd=Decimal("0.15"),
        open_jobs=4,
    )
    handlers.submit(PROMPT | {"num_images_per_prompt": 3})
    limits = body(handlers.call("GET", "/me"))["limits"]
    assert limits.pop("resets_at").endswith("-01T00:00:00Z")
    assert limits == {
        "rates": [{"route_class": "drawing", "per_second": 2, "burst": 10}],
        "month": month_of(handlers.world.clock()),
        "monthly_images": 10,
        "images_left": 7,
        "monthly_usd": "20",
        "usd_left": "19.85",
        "usd_per_request": "0.15",
        "unfinished_jobs": 4,
    }
    handlers.run_queued_jobs()
    left = body(handlers.call("GET", "/me"))["limits"]["usd_left"]
    assert Decimal(left) == 20 - billed(handlers.world, ALICE).usd


def _usage(handlers: JobHandlers, **query: str) -> dict[str, Any]:
    return handlers.call("GET", "/usage", queryStringParameters=query or None)
