"""When API keys end, for functions that may not see keys.

| item | `pk`, `sk` | holds |
|---|---|---|
| end of a key | `KEY_END#{tenant}#{key_id}`, `KEY_END` | `ends_at`; none for a key without an end |

A row of its own, and not the key's: whatever keys of a transaction IAM compares with the denial of credentials
(template.yaml), these rows are not among them.
"""

from __future__ import annotations

from typing import Any, Final

from imagegen.aws.clients import translated
from imagegen.aws.table import Item, Table, serialized
from imagegen.aws.transactions import Reason, failed
from imagegen.errors import InvalidCredentials

_KEPT_S: Final = 86_400
"""A row expires this long after its key has ended: much longer than an authorizer remembers the key."""

Write = dict[str, Any]
"""An entry of TransactItems."""


class DynamoKeyEnds(Table):
    """Implements access.ports.KeyEnds."""

    def require_unended(self, tenant: str, key_id: str) -> None:
        """Raise InvalidCredentials if the key has ended. One consistent read, which conflicts with no transaction."""
        with translated("DynamoDB"):
            item = self._read(_name(tenant, key_id))
        if item is not None and item["ends_at"] <= self._seconds():
            raise _ended()


def key_end(table: str, tenant: str, key_id: str, ends_at: int) -> dict[str, Any]:
    """Return the PutItem of a key's end, in epoch seconds. It must not be later than the end that the key had."""
    item: Item = {**_name(tenant, key_id), "tenant": tenant, "ends_at": ends_at, "expires_at": ends_at + _KEPT_S}
    return {"TableName": table, "Item": serialized(item)}


def unended_checks(table: str, tenant: str, key_id: str | None, now_s: int) -> list[Write]:
    """Return the check that the key has not ended, to be the first of a transaction; none without a key."""
    if key_id is None:
        return []
    check = {
        "TableName": table,
        "Key": serialized(_name(tenant, key_id)),
        "ConditionExpression": "attribute_not_exists(pk) OR ends_at > :now",
        "ExpressionAttributeValues": serialized({":now": now_s}),
    }
    return [{"ConditionCheck": check}]


def after_checks(reasons: list[Reason], checks: list[Write]) -> list[Reason]:
    """Return the reasons of what follows the checks. Raises InvalidCredentials if the key has ended."""
    if any(map(failed, reasons[: len(checks)])):
        raise _ended()
    return reasons[len(checks) :]


def _name(tenant: str, key_id: str) -> dict[str, str]:
    return {"pk": f"KEY_END#{tenant}#{key_id}", "sk": "KEY_END"}


def _ended() -> InvalidCredentials:
    return InvalidCredentials(private="ended_key")
