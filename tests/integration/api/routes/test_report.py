"""GET /report through the real handlers, against GET /usage of each tenant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, JobHandlers, body
from tools.lambda_event import authorizer

OPERATOR: Final = authorizer("key-of-operator", ["operator"])
TENANTS: Final = ["alice", "bob", "carol"]


def call(handlers: JobHandlers, path: str, by: dict[str, Any], **query: str) -> dict[str, Any]:
    context = {"requestId": "r", "path": f"/v1{path}", "authorizer": by}
    return handlers.call("GET", path, requestContext=context, queryStringParameters=query or None)


def draw(handlers: JobHandlers, tenant: str) -> None:
    context = {"requestId": "r", "path": "/v1/generate", "authorizer": authorizer(f"key-of-{tenant}")}
    assert handlers.call("POST", "/generate", PROMPT, requestContext=context)["statusCode"] == 200


def test_every_tenant_has_its_usage_in_the_report_page_by_page(handlers: JobHandlers) -> None:
    for tenant in [*TENANTS, "alice"]:
        draw(handlers, tenant)
    rows: list[dict[str, Any]] = []
    query = {"limit": "2"}
    for _ in range(3):
        page = body(call(handlers, "/report", OPERATOR, **query))
        rows += page["rows"]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert page["cursor"] is None
    for tenant in TENANTS:
        caller = authorizer(f"key-of-{tenant}")
        used = body(call(handlers, "/usage", caller))["usage"]
        assert [{name: row[name] for name in used[0]} for row in rows if row["tenant"] == caller["tenant"]] == used
    bills = sum(Decimal(bill["usd"]) for bill in handlers.world.items("BILL#"))
    assert (len(rows), sum(Decimal(row["usd"]) for row in rows)) == (3, bills)


def test_a_month_without_usage_has_no_rows(handlers: JobHandlers) -> None:
    draw(handlers, "alice")
    assert body(call(handlers, "/report", OPERATOR, month="2020-02")) == {
        "month": "2020-02",
        "rows": [],
        "cursor": None,
    }


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"month": "2026-13"}, "out_of_range"),
        ({"month": ""}, "out_of_range"),
        ({"month": "2026-11-01"}, "out_of_range"),
        ({"month": "2026-1\uff11"}, "out_of_range"),
        ({"limit": "0"}, "out_of_range"),
        ({"limit": "101"}, "out_of_range"),
        ({"cursor": "nope"}, "invalid_cursor"),
        ({"tenant": "alice"}, "unknown_field"),
    ],
)
def test_bad_parameters_are_refused(handlers: JobHandlers, query: dict[str, str], code: str) -> None:
    assert outcome(call(handlers, "/report", OPERATOR, **query))[1] == code


def test_only_operators_see_it(handlers: JobHandlers) -> None:
    assert outcome(call(handlers, "/report", authorizer("key-of-alice"))) == (403, "forbidden_scope")
