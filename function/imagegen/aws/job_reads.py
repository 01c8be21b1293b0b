"""Reads of the jobs in the DynamoDB table: one, a page of a tenant's, and those that are due."""

from __future__ import annotations

from typing import Any, Final

from imagegen.aws.clients import translated
from imagegen.aws.due_shards import due_shards
from imagegen.aws.job_item import from_item, key, listed
from imagegen.aws.table import BATCH, Item, Table, deserialized, serialized
from imagegen.jobs.job import Job, State
from imagegen.jobs.ports import DueKind, Listed, Page

_MAX_EXAMINED: Final = 1000
"""Jobs examined for a page of one state. Such a page may be short; its cursor continues after the jobs examined."""


class JobReads(Table):
    """The reads of jobs.ports.JobStore."""

    def get(self, tenant: str, job_id: str) -> Job | None:
        """Return the job, or None if it does not exist or has expired."""
        with translated("DynamoDB"):
            return self._live(self._read(key(tenant, job_id)))

    def page(self, tenant: str, *, limit: int, after: str | None, state: State | None) -> Page:
        """Return up to `limit` of the tenant's jobs that are older than the job `after`."""
        with translated("DynamoDB"):
            response = self._client.query(**self._page_query(tenant, limit, after, state))
            ids = [deserialized(item)["job_id"] for item in response["Items"]]
            evaluated = response.get("LastEvaluatedKey")
            last = deserialized(evaluated)["job_id"] if evaluated else None
            if len(ids) > limit:
                ids, last = ids[:limit], ids[limit - 1]
            found = self._read_all(tenant, ids)
        jobs = [job for job in map(found.get, ids) if job is not None and (state is None or job.state == state)]
        return Page(jobs, last)

    def due_shards(self, kind: DueKind) -> list[str]:
        """Return the shards of index by_due that have the jobs of `kind`."""
        return due_shards(kind)

    def due(self, shard: str, limit: int) -> list[Listed]:
        """Return up to `limit` jobs of the shard whose `due_at` has passed, the oldest first."""
        with translated("DynamoDB"):
            return [Listed(*str(pk).split("#")[1:]) for pk in self._due_keys(shard, limit)]

    def _page_query(self, tenant: str, limit: int, after: str | None, state: State | None) -> dict[str, Any]:
        query: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": "by_tenant",
            "ScanIndexForward": False,
            "KeyConditionExpression": "tenant = :tenant",
            "ExpressionAttributeValues": serialized({":tenant": tenant}),
            "Limit": limit,
        }
        if after is not None:
            query["ExclusiveStartKey"] = serialized(key(tenant, after) | {"tenant": tenant, "job_id": after})
        if state is not None:
            query["FilterExpression"] = "#state = :state"
            query["ExpressionAttributeNames"] = {"#state": "state"}
            query["ExpressionAttributeValues"] |= serialized({":state": state})
            query["Limit"] = _MAX_EXAMINED
        return query

    def _read_all(self, tenant: str, ids: list[str]) -> dict[str, Job]:
        found: dict[str, Job] = {}
        for start in range(0, len(ids), BATCH):
            items = self._read_batch([key(tenant, each) for each in ids[start : start + BATCH]])
            found |= {item["job_id"]: listed(item) for item in items if self._is_live(item)}
        return found

    def _live(self, item: Item | None) -> Job | None:
        """Return the item's job unless it has expired. Raises UnreadableJob."""
        return from_item(item) if item is not None and self._is_live(item) else None

    def _is_live(self, item: Item) -> bool:
        """Return whether the item has not expired; DynamoDB may take days to delete expired items."""
        return bool(item["expires_at"] > self._seconds())
