from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from imagegen.access import tenant
from imagegen.access.issuer import Issuer, parse
from imagegen.errors import InvalidCredentials

TRUST: dict[str, Any] = {"issuer": "https://id.example.com/", "audiences": ["https://images.example.com"]}
CLAIMS: dict[str, Any] = {"sub": "auth0|alice"}


def issuer(**changes: Any) -> Issuer:
    (one,) = parse(json.dumps([TRUST | changes]))
    return one


def refused(trust: Issuer, **claims: Any) -> str:
    with pytest.raises(InvalidCredentials) as caught:
        trust.caller(CLAIMS | claims)
    return caught.value.private


def test_no_issuer_is_trusted_by_default() -> None:
    assert parse("") == parse(" ") == parse("[]") == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"issuer": "http://id.example.com"}, {"issuer": "https://"}, {"issuer": "https://id.example.com?a=1"},
        {"issuer": "https://user@id.example.com"}, {"audiences": []}, {"audiences": [""]}, {"algorithms": ["HS256"]},
        {"algorithms": ["none"]}, {"algorithms": []}, {"role_names": {"root": ["x"]}}, {"tenants_claim": ["org"]},
    ],
)  # fmt: skip
def test_a_setting_that_would_weaken_verification_stops_the_start(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        issuer(**bad)


@pytest.mark.parametrize("text", ["{}", "https://id.example.com", "[{}]"])
def test_a_setting_of_another_form_stops_the_start(text: str) -> None:
    with pytest.raises(ValidationError):
        parse(text)


def test_an_issuer_is_listed_once() -> None:
    with pytest.raises(ValueError, match="once"):
        parse(json.dumps([TRUST, TRUST]))


def test_without_a_tenant_claim_each_subject_is_a_tenant_of_its_own() -> None:
    alice = issuer().caller(CLAIMS)
    bob = issuer().caller({"sub": "auth0|bob"})
    elsewhere = issuer(issuer="https://other.example.com").caller(CLAIMS)
    assert len({alice.tenant, bob.tenant, elsewhere.tenant}) == 3
    assert len({alice.principal, bob.principal, elsewhere.principal}) == 3
    assert all(tenant.is_valid(each.tenant) for each in (alice, bob, elsewhere))
    assert "alice" not in repr(alice)


def test_a_tenant_claim_names_the_tenant_that_keys_have_too() -> None:
    trust = issuer(tenant_claim=["https://example.com/org", "id"])
    assert trust.caller(CLAIMS | {"https://example.com/org": {"id": "acme"}}).tenant == "acme"


@pytest.mark.parametrize("value", [None, "", 7, ["acme"], {"id": "acme"}, "local", "Local", "a#b", "../acme", "x" * 65])
def test_a_tenant_claim_that_names_no_tenant_is_refused(value: object) -> None:
    assert refused(issuer(tenant_claim=["org"]), org=value) in ("org_claim", "tenant_claim")


@pytest.mark.parametrize(
    ("value", "roles"),
    [
        (["operator"], {"operator"}), ("operator", {"operator"}), (["user", "admin"], {"user", "admin"}),
        (["Operator", "root", "admins", " admin", "admin\n"], {"user"}), ([], {"user"}), ("", {"user"}),
        ("Former operator", {"user"}), ("operator user", {"user"}), ("admin,user", {"user"}), ('["admin"]', {"user"}),
        (["Former operator"], {"user"}), (None, {"user"}),
    ],
)  # fmt: skip
def test_roles_are_those_that_the_claim_names_exactly(value: object, roles: set[str]) -> None:
    trust = issuer(roles_claim=["realm_access", "roles"])
    assert trust.caller(CLAIMS | {"realm_access": {"roles": value}}).roles == roles


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        (["ops"], {"operator"}), (["Picture admins", "ops"], {"operator", "admin"}), ("Picture admins", {"admin"}),
        (["operator", "admin"], {"user"}), ("admin", {"user"}), (["OPS", "Picture", "admins"], {"user"}),
    ],
)  # fmt: skip
def test_with_names_of_groups_a_group_that_is_called_like_a_role_means_nothing(groups: object, roles: set[str]) -> None:
    trust = issuer(roles_claim=["groups"], role_names={"operator": ["ops"], "admin": ["Picture admins"]})
    assert trust.caller(CLAIMS | {"groups": groups}).roles == roles
    only_operators = issuer(roles_claim=["groups"], role_names={"operator": ["ops"]})
    assert only_operators.caller(CLAIMS | {"groups": groups}).roles == (roles & {"operator"} or {"user"})


def test_without_a_roles_claim_every_caller_is_a_user() -> None:
    assert issuer().caller(CLAIMS | {"roles": ["admin"]}).roles == {"user"}


@pytest.mark.parametrize("value", ["openid images:read roles:grant", ["images:read", "tenants:manage"]])
def test_a_scopes_claim_narrows_the_roles(value: object) -> None:
    assert issuer(scopes_claim=["scope"]).caller(CLAIMS | {"scope": value}).scopes == {"images:read"}
    assert issuer().caller(CLAIMS | {"scope": value}).scopes == {"images:read", "images:write"}


def test_without_the_scopes_claim_that_it_needs_a_caller_may_nothing() -> None:
    assert issuer(scopes_claim=["scope"]).caller(CLAIMS).scopes == frozenset()


@pytest.mark.parametrize("value", [7, {"admin": True}, ["admin", 7], True])
@pytest.mark.parametrize("claim", ["roles", "scope"])
def test_a_claim_of_another_type_is_refused(claim: str, value: object) -> None:
    assert refused(issuer(roles_claim=["roles"], scopes_claim=["scope"]), **{claim: value}) == f"{claim}_claim"
