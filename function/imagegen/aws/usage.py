"""The usage rows of the DynamoDB table."""

from __future__ import annotations

from typing import Any

from imagegen.aws.clients import translated
from imagegen.aws.quota_items import usage_of, usage_shard
from imagegen.aws.table import Item, Table, deserialized, serialized
from imagegen.limits.usage import ReportPage, Usage


class DynamoUsage(Table):
    """Implements limits.ports.UsageStore."""

    def usage(self, tenant: str, first: str, last: str) -> list[Usage]:
        """Return the usage of the months from `first` to `last`, oldest first. One call for each megabyte of rows."""
        query: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": serialized(
                {":pk": f"USAGE#{tenant}", ":first": first, ":last": f"{last}#\U0010ffff"}
            ),
            "ConsistentRead": True,
        }
        found: list[Usage] = []
        with translated("DynamoDB"):
            while True:
                response = self._client.query(**query)
                found += [usage_of(deserialized(item)) for item in response["Items"]]
                if "LastEvaluatedKey" not in response:
                    return found
                query["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def report(self, month: str, *, limit: int, after: tuple[str, str] | None) -> ReportPage:
        """Return up to `limit` rows of the month, at most BATCH. Two calls.

        The index has the keys, and the table the sums, read consistently: a row is exact, but one that is a moment old
        may be missing.
        """
        query: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": "by_turn",
            "KeyConditionExpression": "turn_shard = :shard",
            "ExpressionAttributeValues": serialized({":shard": usage_shard(month)}),
            "Limit": limit,
        }
        if after is not None:
            query["ExclusiveStartKey"] = serialized({"turn_shard": usage_shard(month), **_key(month, *after)})
        with translated("DynamoDB"):
            response = self._client.query(**query)
            keys = [deserialized(item) for item in response["Items"]]
            found = self._read_batch([{"pk": each["pk"], "sk": each["sk"]} for each in keys], consistent=True)
        rows = sorted(((item["tenant"], usage_of(item)) for item in found), key=lambda row: (row[0], row[1].model))
        last = response.get("LastEvaluatedKey")
        return ReportPage(rows, _position(deserialized(last)) if last else None)


def _key(month: str, tenant: str, model: str) -> dict[str, str]:
    return {"pk": f"USAGE#{tenant}", "sk": f"{month}#{model}"}


def _position(key: Item) -> tuple[str, str]:
    return str(key["pk"]).partition("#")[2], str(key["sk"]).partition("#")[2]
