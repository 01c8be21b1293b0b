"""Tenants and API keys in the DynamoDB table.

| item | `pk`, `sk` | holds |
|---|---|---|
| look-up of a key | `KEY#{digest}`, `KEY` | tenant, key id, roles, scopes; `expires_at` once its end is known |
| tenant | `TENANT#{tenant}`, `TENANT` | name, when it was created |
| key of a tenant | `TENANT#{tenant}`, `KEY#{key_id}` | what an operator sees, and the digest; never expires |

A key is both of its items, written in one transaction; its end is a third (key_ends.py). No item has `job_id` or
`due_shard`, so none is in an index.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from imagegen.access.caller import Caller, is_role, is_scope
from imagegen.access.ports import FoundKey, KeyEnded, StoredKey, Tenant, TenantExists, UnknownKey, UnknownTenant
from imagegen.aws.clients import translated
from imagegen.aws.key_ends import key_end
from imagegen.aws.table import (
    PATIENT_ATTEMPTS,
    Item,
    Table,
    condition_failed,
    condition_held,
    deserialized,
    retry_conflicts,
    serialized,
)

_ABSENT = "attribute_not_exists(pk)"
_ENDS_LATER = "attribute_exists(pk) AND (attribute_not_exists(ends_at) OR ends_at > :ends_at)"


class DynamoCallers(Table):
    """Implements access.ports.CallerDirectory and KeyStore."""

    def find(self, digest: str) -> FoundKey | None:
        """Return the valid key with this digest, or None. One consistent read: a revoked key ends at once."""
        with translated("DynamoDB"):
            item = self._read(_look_up(digest))
        if item is None or ("expires_at" in item and item["expires_at"] <= self._seconds()):
            return None
        roles = [each for each in item["roles"] if is_role(each)]
        caller = Caller.of(item["tenant"], f"key:{item['key_id']}", roles, item.get("scopes"))
        return FoundKey(caller, item["key_id"], int(item["expires_at"]) if "expires_at" in item else None)

    def add_tenant(self, tenant: Tenant) -> None:
        """Insert the tenant. Raises TenantExists, unless it is this tenant."""
        item: Item = {**_tenant(tenant.tenant), "name": tenant.name, "created_at": tenant.created_at}
        with translated("DynamoDB"):
            if condition_held(lambda: self._client.put_item(**self._put(item, _ABSENT))):
                return
            if self._read(_tenant(tenant.tenant)) != item:
                raise TenantExists

    def has_tenant(self, tenant: str) -> bool:
        """Return whether there is a tenant with this id."""
        with translated("DynamoDB"):
            return self._read(_tenant(tenant)) is not None

    def add_key(self, key: StoredKey) -> None:
        """Insert the key; one that exists stays as it is. Raises UnknownTenant."""
        exists = {"TableName": self._name, "Key": serialized(_tenant(key.tenant))}
        check = {"ConditionCheck": exists | {"ConditionExpression": "attribute_exists(pk)"}}
        with translated("DynamoDB"):
            if self._transact([check, *self._inserts(key)]) or self._is_stored(key):
                return
        raise UnknownTenant

    def keys(self, tenant: str) -> list[StoredKey]:
        """Return the tenant's keys, also those that have ended, the oldest first."""
        with translated("DynamoDB"):
            found = [_stored_key(item) for item in self._query(tenant)]
        return sorted(found, key=lambda key: (key.created_at, key.key_id))

    def rotate_key(self, key_id: str, successor: StoredKey, ends_at: int) -> None:
        """Insert the successor, and end the key `key_id` of its tenant at `ends_at`, in one transaction."""
        with translated("DynamoDB"):
            old = self._stored(successor.tenant, key_id)
            unended = "attribute_exists(pk) AND attribute_not_exists(ends_at)"
            ended = self._end(old, ends_at, unended, successor.key_id)
            end = {"Put": key_end(self._name, old.tenant, key_id, ends_at)}
            if self._transact([*self._inserts(successor), *ended, end]) or self._is_stored(successor):
                return
        raise KeyEnded

    def revoke_key(self, tenant: str, key_id: str, now: int) -> None:
        """End the key now. A key that has ended stays as it is.

        The look-up ends first, and alone: the key's own requests may keep the row of its end busy (admissions.py). If
        they do so for seconds, this raises StorageUnavailable, and they end within a minute (access/recent_keys.py).
        """
        with translated("DynamoDB"):
            old = self._stored(tenant, key_id)
            self._transact(self._end(old, now, _ENDS_LATER))
            end = key_end(self._name, tenant, key_id, now if old.ends_at is None else min(now, old.ends_at))
            retry_conflicts(lambda: self._client.put_item(**end), PATIENT_ATTEMPTS)

    def _inserts(self, key: StoredKey) -> list[dict[str, Any]]:
        common: Item = {"tenant": key.tenant, "key_id": key.key_id, "roles": list(key.roles)}
        common |= {} if key.scopes is None else {"scopes": list(key.scopes)}
        details = {"name": key.name, "digest": key.digest, "created_at": key.created_at}
        look_up, listed = _look_up(key.digest) | common, _key(key.tenant, key.key_id) | common | details
        return [{"Put": self._put(look_up, _ABSENT)}, {"Put": self._put(listed, _ABSENT)}]

    def _end(
        self, key: StoredKey, ends_at: int, condition: str, replaced_by: str | None = None
    ) -> list[dict[str, Any]]:
        """Return writes that end the key. TTL deletes its look-up item later; until then `find` compares the time."""
        values: Item = {":ends_at": ends_at}
        look_up = self._update(_look_up(key.digest), "SET expires_at = :ends_at", "attribute_exists(pk)", values)
        ended = "SET ends_at = :ends_at"
        if replaced_by is not None:
            ended, values = f"{ended}, replaced_by = :successor", values | {":successor": replaced_by}
        return [look_up, self._update(_key(key.tenant, key.key_id), ended, condition, values)]

    def _update(self, name: dict[str, str], expression: str, condition: str, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self._name,
                "Key": serialized(name),
                "UpdateExpression": expression,
                "ConditionExpression": condition,
                "ExpressionAttributeValues": serialized(values),
            }
        }

    def _transact(self, items: list[dict[str, Any]]) -> bool:
        """Return whether the transaction was done, as opposed to rejected by a condition. Raises ClientError.

        It is patient: a rotation competes with the requests of the key for the row of its end.
        """
        writes: Any = items
        try:
            retry_conflicts(lambda: self._client.transact_write_items(TransactItems=writes), PATIENT_ATTEMPTS)
        except ClientError as error:
            if not condition_failed(error):
                raise
            return False
        return True

    def _stored(self, tenant: str, key_id: str) -> StoredKey:
        item = self._read(_key(tenant, key_id))
        if item is None:
            raise UnknownKey
        return _stored_key(item)

    def _is_stored(self, key: StoredKey) -> bool:
        """Return whether the table has this key: its insert was done before, and its acknowledgement lost."""
        item = self._read(_key(key.tenant, key.key_id))
        return item is not None and item["digest"] == key.digest

    def _query(self, tenant: str) -> Iterable[Item]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :key)",
            ExpressionAttributeValues=serialized({":pk": f"TENANT#{tenant}", ":key": "KEY#"}),
        )
        return (deserialized(item) for page in pages for item in page["Items"])


def _look_up(digest: str) -> dict[str, str]:
    return {"pk": f"KEY#{digest}", "sk": "KEY"}


def _tenant(tenant: str) -> dict[str, str]:
    return {"pk": f"TENANT#{tenant}", "sk": "TENANT"}


def _key(tenant: str, key_id: str) -> dict[str, str]:
    return {"pk": f"TENANT#{tenant}", "sk": f"KEY#{key_id}"}


def _stored_key(item: Item) -> StoredKey:
    return StoredKey(
        tenant=item["tenant"],
        key_id=item["key_id"],
        name=item["name"],
        digest=item["digest"],
        roles=tuple(each for each in item["roles"] if is_role(each)),
        created_at=int(item["created_at"]),
        scopes=tuple(each for each in item["scopes"] if is_scope(each)) if "scopes" in item else None,
        ends_at=int(item["ends_at"]) if "ends_at" in item else None,
        replaced_by=item.get("replaced_by"),
    )
