"""The usage rows of the DynamoDB table."""

from __future__ import annotations

from typing import Any

from imagegen.aws.clients import translated
from imagegen.aws.quota_items import usage_of
from imagegen.aws.table import Table, deserialized, serialized
from imagegen.limits.usage import Usage


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
