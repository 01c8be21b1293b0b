"""Leases on identical work, in the DynamoDB table."""

from __future__ import annotations

from collections.abc import Callable

from imagegen.aws.clients import translated
from imagegen.aws.table import Item, Table, condition_held, serialized


class DynamoLeases(Table):
    """Implements generation.ports.Leases."""

    def take(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        """Take the lease for `seconds` from now. Returns False if another owner holds it."""
        free = "attribute_not_exists(pk) OR lease_until < :now OR #owner = :owner"
        return self._hold(tenant, name, owner, seconds, free, {":now": self._clock()})

    def extend(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        """Extend the lease to `seconds` from now if `owner` holds it; return whether it does. Takes no free lease."""
        return self._hold(tenant, name, owner, seconds, "#owner = :owner", {})

    def release(self, tenant: str, name: str, owner: str) -> None:
        """Release the lease if `owner` holds it."""
        self._write(
            lambda: self._client.delete_item(
                TableName=self._name,
                Key=serialized(_key(tenant, name)),
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues=serialized({":owner": owner}),
            )
        )

    def _hold(self, tenant: str, name: str, owner: str, seconds: float, condition: str, values: Item) -> bool:
        until = self._clock() + round(seconds * 1000)
        ends = {"lease_until": until, "expires_at": until // 1000 + 60}
        item = _key(tenant, name) | {"tenant": tenant, "owner": owner} | ends
        put = self._put(item, condition, {":owner": owner} | values) | {"ExpressionAttributeNames": {"#owner": "owner"}}
        return self._write(lambda: self._client.put_item(**put))

    def _write(self, write: Callable[[], object]) -> bool:
        with translated("DynamoDB"):
            return condition_held(write)


def _key(tenant: str, name: str) -> dict[str, str]:
    return {"pk": f"LEASE#{tenant}#{name}", "sk": "LEASE"}
