from __future__ import annotations

from dataclasses import replace

import pytest

from imagegen.access.caller import GRANTED, ROLES, SCOPES, Caller, Role
from imagegen.errors import ForbiddenScope, InvalidCredentials


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_the_scopes_of_the_one_before_and_more(role: Role) -> None:
    before = ROLES[: ROLES.index(role)]
    assert all(GRANTED[each] < GRANTED[role] for each in before)
    assert set().union(*GRANTED.values()) == set(SCOPES)


def test_scopes_narrow_a_role_and_never_widen_it() -> None:
    caller = Caller.of("alice", "key:1", ["user"], ["images:read", "tenants:manage", "openid"])
    assert caller.scopes == {"images:read"}
    assert Caller.of("alice", "key:1", ["user"], []).scopes == frozenset()
    assert Caller.of("alice", "key:1", ["user"]).scopes == {"images:read", "images:write"}
    assert Caller.of("alice", "key:1", []).scopes == frozenset()


def test_a_missing_scope_is_403_and_named() -> None:
    caller = Caller.of("alice", "key:1", ["user"])
    caller.require("images:write")
    with pytest.raises(ForbiddenScope, match="tenants:manage") as caught:
        caller.require("tenants:manage")
    assert (caught.value.status, caught.value.public_code) == (403, "forbidden_scope")


@pytest.mark.parametrize("roles", [["user"], ["user", "operator"], ["admin"]])
def test_a_caller_passes_through_an_authorizers_context(roles: list[Role]) -> None:
    caller = Caller.of("alice", "key:1", roles, ["images:read", "tenants:manage"])
    context = caller.to_context()
    assert all(isinstance(value, str) for value in context.values())
    assert Caller.from_context({**context, "principalId": "key:1", "integrationLatency": 12}) == caller


def test_a_context_has_the_key_of_a_remembered_caller_only() -> None:
    caller = Caller.of("alice", "key:1", ["user"])
    assert "remembered_key" not in caller.to_context()
    remembered = replace(caller, remembered_key="1")
    assert Caller.from_context(remembered.to_context()) == remembered


@pytest.mark.parametrize(
    "context", [None, {}, {"tenant": ""}, {"tenant": "local"}, {"tenant": "a#b"}, {"tenant": 7}, {"principalId": "x"}]
)
def test_a_request_without_an_authorizer_has_no_caller(context: dict[str, object] | None) -> None:
    with pytest.raises(InvalidCredentials) as caught:
        Caller.from_context(context)
    assert caught.value.status == 401


def test_roles_and_scopes_of_a_newer_version_are_dropped() -> None:
    context = {"tenant": "alice", "principal": "key:1", "roles": "user auditor", "scopes": "images:read audits:read"}
    assert Caller.from_context(context) == Caller.of("alice", "key:1", ["user"], ["images:read"])
