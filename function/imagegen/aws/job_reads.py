"""Reads of the jobs in the DynamoDB table: one, a page of a tenant's, and those that are due."""

from __future__ import annotations

from typing import Any, Final

from imagegen.aws.clients import translated
from imagegen.aws.job_item import DONE, OPEN, from_item, key, listed
from imagegen.aws.table import BATCH, Item, Table, deserialized, serialized
from imagegen.jobs.job import Job, State
from imagegen.jobs.ports import Page

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

    def due(self, limit: int) -> list[tuple[str, str]]:
        """Return (tenant, job id) of jobs whose `due_at` has passed, the oldest first, then of expired ones."""
        with translated("DynamoDB"):
            found = self._due(OPEN, limit)
            if len(found) < limit:
                found += self._due(DONE, limit - len(found))
        return found

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

    def _due(self, shard: str, limit: int) -> list[tuple[str, str]]:
        response = self._client.query(
            TableName=self._name,
            IndexName="by_due",
            KeyConditionExpression="due_shard = :shard AND due_at <= :now",
            ExpressionAttributeValues=serialized({":shard": shard, ":now": self._clock()}),
            Limit=limit,
        )
        keys = [str(deserialized(item)["pk"]).split("#") for item in response["Items"]]
        return [(tenant, job_id) for _, tenant, job_id in keys]

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
