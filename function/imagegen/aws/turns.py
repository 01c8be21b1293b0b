"""Whose turn it is, in the DynamoDB table: the jobs that wait (index by_turn), and the tenant of the last turn."""

from __future__ import annotations

from typing import Final

from imagegen.aws.clients import translated
from imagegen.aws.job_item import WAITING
from imagegen.aws.table import Table, condition_held, deserialized, serialized
from imagegen.jobs.ports import Listed

_KEY: Final = {"pk": "TURN", "sk": "TURN"}
_NEXT: Final = "$"
"""Follows #, which ends the tenant in a job's `pk`, and precedes whatever a tenant's id may contain."""


class DynamoTurns(Table):
    """Implements jobs.ports.TurnStore."""

    def waiting(self, limit: int, after: str = "") -> list[Listed]:
        """Return up to `limit` jobs that wait, ordered by tenant, then by age, of tenants after `after`."""
        with translated("DynamoDB"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self._name,
                IndexName="by_turn",
                KeyConditionExpression="turn_shard = :shard AND pk > :after",
                ExpressionAttributeValues=serialized(
                    {":shard": WAITING, ":after": f"JOB#{after}{_NEXT if after else ''}"}
                ),
                PaginationConfig={"MaxItems": limit, "PageSize": limit},
            )
            keys = [str(deserialized(item)["pk"]).split("#") for page in pages for item in page["Items"]]
        return [Listed(tenant, job_id) for _, tenant, job_id in keys]

    def last(self) -> str:
        """Return the tenant whose turn it was last; empty before the first turn."""
        with translated("DynamoDB"):
            found = self._client.get_item(TableName=self._name, Key=serialized(_KEY), ConsistentRead=True).get("Item")
        return str(deserialized(found)["tenant"]) if found else ""

    def take(self, last: str, tenant: str) -> bool:
        """Give `tenant` the turn that follows that of `last`. Returns False if another process has taken it."""
        put = self._put(_KEY | {"tenant": tenant}, "attribute_not_exists(pk) OR tenant = :last", {":last": last})
        with translated("DynamoDB"):
            return condition_held(lambda: self._client.put_item(**put))
