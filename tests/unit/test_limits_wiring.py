"""The limits that the settings give to each tenant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from imagegen.access import tenant
from imagegen.limits.quota import NO_QUOTA, Quota
from imagegen.limits.rate_limit import RatePolicy
from imagegen.limits.tenant_limits import UNLIMITED
from imagegen.limits_wiring import limits_from
from imagegen.settings import Settings

RATES = ("DRAWING_PER_SECOND", "SUBMITTING_PER_SECOND", "LOOKING_PER_SECOND")
QUOTAS = ("MONTHLY_IMAGES", "MONTHLY_USD", "USD_PER_REQUEST", "TENANT_QUEUE_DEPTH", "QUEUE_DEPTH")


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_by_default_there_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits_from(settings(monkeypatch))("alice") == UNLIMITED


@pytest.mark.parametrize("value", ["", "0"])
def test_zero_and_an_empty_value_are_no_limit(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    found = settings(monkeypatch, **dict.fromkeys([*RATES, *QUOTAS], value))
    limits = limits_from(found)("alice")
    assert (limits.rates, limits.quota, found.queue_depth) == ({}, NO_QUOTA, 0)


def test_every_tenant_has_the_limits_but_the_owner_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"DRAWING_PER_SECOND": "0.5", "DRAWING_BURST": "3", "LOOKING_PER_SECOND": "10", "LOOKING_BURST": "40"}
    variables |= {"MONTHLY_IMAGES": "500", "MONTHLY_USD": "20.5", "USD_PER_REQUEST": "0.15", "TENANT_QUEUE_DEPTH": "9"}
    limits = limits_from(settings(monkeypatch, **variables))
    assert limits("alice") == limits("bob")
    assert limits("alice").rates == {
        "drawing": RatePolicy("drawing", 0.5, 3),
        "looking": RatePolicy("looking", 10, 40),
    }
    assert limits("alice").quota == Quota(500, Decimal("20.5"), Decimal("0.15"), 9)
    assert limits(tenant.LOCAL) == UNLIMITED


@pytest.mark.parametrize(
    ("name", "value"),
    [*((each, "-1") for each in (*RATES, *QUOTAS)), ("DRAWING_BURST", "0"), ("MONTHLY_IMAGES", "1.5"),
     ("MONTHLY_USD", "NaN"), ("LOOKING_PER_SECOND", "1000001"), ("DRAWING_PER_SECOND", "inf")],
)  # fmt: skip
def test_a_limit_that_is_none_is_rejected_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(monkeypatch, **{name: value})
    errors: Any = caught.value.errors()
    assert [str(each["loc"][0]).upper() for each in errors] == [name]
