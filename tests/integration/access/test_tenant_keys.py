"""Tenants and their keys in the table of the template: create, list, rotate, revoke, and what the table never holds."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import boto3
import pytest
from botocore.exceptions import ClientError

from imagegen.access.caller import Caller
from imagegen.access.ports import KeyEnded, TenantExists, UnknownKey, UnknownTenant
from imagegen.access.tenant_keys import DEFAULT_OVERLAP_S, MAX_OVERLAP_S
from imagegen.errors import ForbiddenScope, StorageUnavailable
from imagegen.jobs.ports import DueKind
from imagegen.webhooks.signature import SigningSecrets
from tests.support.callers import ADMIN, OPERATOR, CallerWorld, webhook_secret
from tests.support.job_world import JobWorld


@pytest.fixture
def callers(world: JobWorld) -> CallerWorld:
    return CallerWorld(world)


@pytest.fixture
def acme(callers: CallerWorld) -> str:
    return callers.keys.create_tenant("Acme Ltd", "acme").tenant


def test_a_tenant_has_a_random_id_and_a_webhook_secret(callers: CallerWorld) -> None:
    made = callers.keys.create_tenant("Acme Ltd")
    assert len(made.tenant) == 16
    assert SigningSecrets.parse(webhook_secret(made.tenant))
    assert callers.keys.keys(made.tenant) == []


def test_a_tenant_that_exists_is_not_created_again_and_keeps_its_secret(callers: CallerWorld, acme: str) -> None:
    secret = webhook_secret(acme)
    callers.clock.pass_s(1)
    with pytest.raises(TenantExists):
        callers.keys.create_tenant("Another", acme)
    assert webhook_secret(acme) == secret
    assert [row["name"] for row in callers.rows("TENANT#")] == ["Acme Ltd"]


@pytest.mark.parametrize("tenant", ["local", "a#b", "../a"])
def test_a_tenant_needs_a_valid_id(callers: CallerWorld, tenant: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        callers.keys.create_tenant("Acme Ltd", tenant)
    assert callers.rows() == []


def test_several_keys_name_one_tenant(callers: CallerWorld, acme: str) -> None:
    first = callers.keys.create_key(acme, "website", by=OPERATOR)
    callers.clock.pass_s(60)
    second = callers.keys.create_key(acme, "batch", by=OPERATOR, scopes=["images:read"])
    assert callers.find(first.key) == Caller.of(acme, f"key:{first.stored.key_id}", ["user"])
    assert callers.find(second.key) == Caller.of(acme, f"key:{second.stored.key_id}", ["user"], ["images:read"])
    assert callers.keys.keys(acme) == [first.stored, second.stored]
    assert callers.tenant_of(first.key) == callers.tenant_of(second.key) == acme


def test_the_table_never_allows_recovering_a_key(callers: CallerWorld, acme: str) -> None:
    made = callers.keys.create_key(acme, "website", by=OPERATOR)
    stored = json.dumps(callers.rows(), default=str)
    secret = made.key.removeprefix("imagegen_")
    assert not any(secret[start : start + 8] in stored for start in range(len(secret) - 7))
    assert made.key not in repr(made)


def test_a_key_needs_a_tenant(callers: CallerWorld) -> None:
    with pytest.raises(UnknownTenant):
        callers.keys.create_key("nobody", "website", by=OPERATOR)
    assert callers.rows() == []


def test_an_unknown_key_is_refused(callers: CallerWorld) -> None:
    assert callers.tenant_of("imagegen_" + "a" * 46) is None
    assert callers.tenant_of("x" * 40) is None


# -- rotation ----------------------------------------------------------------------------------------------------------


def test_a_rotated_key_overlaps_with_its_successor_and_then_ends(callers: CallerWorld, acme: str) -> None:
    old = callers.keys.create_key(acme, "website", by=OPERATOR, scopes=["images:read"])
    new = callers.keys.rotate(acme, old.stored.key_id, by=OPERATOR)
    assert (new.stored.name, new.stored.scopes) == ("website", ("images:read",))
    callers.clock.pass_s(DEFAULT_OVERLAP_S - 2)
    assert callers.tenant_of(old.key) == callers.tenant_of(new.key) == acme
    callers.clock.pass_s(2)
    assert (callers.tenant_of(old.key), callers.tenant_of(new.key)) == (None, acme)
    ended, current = callers.keys.keys(acme)
    assert (ended.replaced_by, current.ends_at) == (new.stored.key_id, None)
    assert not ended.is_valid_at(callers.clock() // 1000)
    assert current.is_valid_at(callers.clock() // 1000)


def test_a_rotation_without_overlap_ends_the_old_key_at_once(callers: CallerWorld, acme: str) -> None:
    old = callers.keys.create_key(acme, "website", by=OPERATOR)
    new = callers.keys.rotate(acme, old.stored.key_id, by=OPERATOR, overlap_s=0)
    assert (callers.tenant_of(old.key), callers.tenant_of(new.key)) == (None, acme)


@pytest.mark.parametrize("overlap_s", [-1, MAX_OVERLAP_S + 1])
def test_an_overlap_has_bounds(callers: CallerWorld, acme: str, overlap_s: int) -> None:
    old = callers.keys.create_key(acme, "website", by=OPERATOR)
    with pytest.raises(ValueError, match=str(MAX_OVERLAP_S)):
        callers.keys.rotate(acme, old.stored.key_id, by=OPERATOR, overlap_s=overlap_s)
    assert callers.keys.keys(acme) == [old.stored]


def test_a_key_is_rotated_once_however_many_ask_at_once(callers: CallerWorld, acme: str) -> None:
    old = callers.keys.create_key(acme, "website", by=OPERATOR)

    def rotate(_: int) -> str | None:
        try:
            return callers.keys.rotate(acme, old.stored.key_id, by=OPERATOR).key
        except KeyEnded:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [key for key in pool.map(rotate, range(16)) if key is not None]
    assert len(made) == 1
    assert callers.tenant_of(made[0]) == acme
    assert len(callers.keys.keys(acme)) == 2
    assert len(callers.rows("KEY#")) == 2


def test_an_acknowledgement_that_was_lost_does_not_fail_a_rotation(callers: CallerWorld, acme: str) -> None:
    old = callers.keys.create_key(acme, "website", by=OPERATOR)
    new = callers.keys.rotate(acme, old.stored.key_id, by=OPERATOR)
    before = callers.rows()
    callers.directory.rotate_key(old.stored.key_id, new.stored, 1)
    callers.directory.add_key(new.stored)
    assert callers.rows() == before


# -- revocation --------------------------------------------------------------------------------------------------------


def test_a_revoked_key_ends_at_once_and_stays_listed(callers: CallerWorld, acme: str) -> None:
    made, other = (callers.keys.create_key(acme, name, by=OPERATOR) for name in ("website", "batch"))
    callers.keys.revoke(acme, made.stored.key_id, by=OPERATOR)
    assert (callers.tenant_of(made.key), callers.tenant_of(other.key)) == (None, acme)
    callers.clock.pass_s(60)
    before = callers.rows()
    callers.keys.revoke(acme, made.stored.key_id, by=OPERATOR)
    assert callers.rows() == before, "the time of the first revocation stays"
    with pytest.raises(KeyEnded):
        callers.keys.rotate(acme, made.stored.key_id, by=OPERATOR)


def test_a_key_is_revoked_during_its_overlap(callers: CallerWorld, acme: str) -> None:
    old = callers.keys.create_key(acme, "website", by=OPERATOR)
    new = callers.keys.rotate(acme, old.stored.key_id, by=OPERATOR)
    callers.keys.revoke(acme, old.stored.key_id, by=OPERATOR)
    assert (callers.tenant_of(old.key), callers.tenant_of(new.key)) == (None, acme)
    assert callers.keys.keys(acme)[0].replaced_by == new.stored.key_id


def test_a_key_whose_look_up_ttl_deleted_is_revoked_already(callers: CallerWorld, acme: str) -> None:
    made = callers.keys.create_key(acme, "website", by=OPERATOR)
    callers.keys.revoke(acme, made.stored.key_id, by=OPERATOR)
    (look_up,) = callers.rows("KEY#")
    table = boto3.resource("dynamodb").Table(callers.world.resources["Table"])
    table.delete_item(Key={"pk": look_up["pk"], "sk": look_up["sk"]})
    callers.keys.revoke(acme, made.stored.key_id, by=OPERATOR)
    assert callers.tenant_of(made.key) is None


def test_a_key_is_managed_only_under_its_own_tenant(callers: CallerWorld, acme: str) -> None:
    made = callers.keys.create_key(acme, "website", by=OPERATOR)
    callers.keys.create_tenant("Other", "other")
    for manage in (callers.keys.rotate, callers.keys.revoke):
        with pytest.raises(UnknownKey):
            manage("other", made.stored.key_id, by=ADMIN)
    assert callers.tenant_of(made.key) == acme


# -- roles -------------------------------------------------------------------------------------------------------------


def test_an_operator_cannot_become_an_administrator(callers: CallerWorld, acme: str) -> None:
    admin = callers.keys.create_key(acme, "owner", by=ADMIN, roles=["admin"])
    before = callers.rows()
    attempts: list[Any] = [
        lambda: callers.keys.create_key(acme, "mine", by=OPERATOR, roles=["admin"]),
        lambda: callers.keys.create_key(acme, "mine", by=OPERATOR, roles=["user", "operator"]),
        lambda: callers.keys.rotate(acme, admin.stored.key_id, by=OPERATOR),
        lambda: callers.keys.revoke(acme, admin.stored.key_id, by=OPERATOR),
    ]
    for attempt in attempts:
        with pytest.raises(ForbiddenScope):
            attempt()
    assert callers.rows() == before
    assert callers.find(admin.key) == Caller.of(acme, f"key:{admin.stored.key_id}", ["admin"])


# -- the table ---------------------------------------------------------------------------------------------------------


def test_tenants_and_keys_are_in_no_list_of_jobs(callers: CallerWorld, acme: str) -> None:
    made = callers.keys.create_key(acme, "website", by=OPERATOR)
    callers.keys.revoke(acme, made.stored.key_id, by=OPERATOR)
    job = callers.world.submit(tenant=acme)
    assert callers.world.store.page(acme, limit=10, after=None, state=None).jobs == [callers.world.get(job)]
    callers.clock.pass_s(3600)
    store = callers.world.store
    due = [listed for kind in get_args(DueKind) for shard in store.due_shards(kind) for listed in store.due(shard, 10)]
    assert due == [(acme, job.job_id)]


def test_a_look_up_is_one_read(callers: CallerWorld, acme: str) -> None:
    made = callers.keys.create_key(acme, "website", by=OPERATOR)
    calls: list[str] = []
    callers.directory._client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    assert callers.tenant_of(made.key) == acme
    assert calls == ["GetItem"]
    assert callers.tenant_of(made.key[:-1] + "!") is None
    assert calls == ["GetItem"], "a key with a wrong checksum is not looked up"


def test_without_the_table_nothing_is_known(callers: CallerWorld, acme: str) -> None:
    made = callers.keys.create_key(acme, "website", by=OPERATOR)

    def fail(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem")

    callers.directory._client.meta.events.register("before-call.dynamodb", fail)
    with pytest.raises(StorageUnavailable):
        callers.tenant_of(made.key)


def test_more_keys_than_a_page_are_listed(callers: CallerWorld, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for number in range(5):
        callers.clock.pass_s(1)
        made.append(callers.keys.create_key(acme, f"key {number}", by=OPERATOR).stored)
    callers.directory._client.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: params | {"Limit": 2}
    )
    assert callers.keys.keys(acme) == made
