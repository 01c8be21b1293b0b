"""Jobs, bills and idempotency keys in the DynamoDB table. Every write is conditional."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from imagegen.aws.clients import translated
from imagegen.aws.job_item import DONE, OPEN, from_item, key, listed, to_item
from imagegen.aws.table import Item, Table, condition_failed, condition_held, deserialized, retry_conflicts, serialized
from imagegen.errors import IdempotencyKeyReuse, JobNotFinal, JobNotFound, ResultExpired, StorageUnavailable
from imagegen.jobs import states
from imagegen.jobs.idempotency import KEPT_S, IdempotencyFingerprint
from imagegen.jobs.job import FINAL, Job, State
from imagegen.jobs.ports import Page

_MAX_EXAMINED: Final = 1000
"""Jobs examined for a page of one state. Such a page may be short; its cursor continues after the jobs examined."""
_BATCH: Final = 100
"""Items per BatchGetItem."""
_UNPROCESSED_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Pauses before keys that DynamoDB left unprocessed are read again; botocore does not retry them."""


class DynamoJobStore(Table):
    """Implements jobs.ports.JobStore."""

    def add(self, job: Job, fingerprint: IdempotencyFingerprint | None = None) -> Job:
        """Insert the job, or return the key's existing job, unless that one is `repeatable`: this one replaces it."""
        job, replaced = replace(job, revision=_token()), ""
        while True:
            with translated("DynamoDB"):
                stored = self._insert(job, fingerprint, replaced)
            if stored.job_id == job.job_id or not stored.repeatable:
                return stored
            replaced = stored.job_id

    def get(self, tenant: str, job_id: str) -> Job | None:
        """Return the job, or None if it does not exist or has expired."""
        with translated("DynamoDB"):
            return self._live(self._read(key(tenant, job_id)))

    def change(self, job: Job, transition: Callable[[Job], Job]) -> Job:
        """Apply the transition to the job as currently stored, write and return the result."""
        while True:
            changed = transition(job)
            if changed == job:
                return job
            changed = replace(changed, revision=_token())
            with translated("DynamoDB"):
                stored = self._write(job, changed)
            if stored is None:
                raise JobNotFound
            if stored.revision == changed.revision:
                return changed
            job = stored

    def remove(self, job: Job) -> None:
        """Delete a final job."""
        states_of = {f":{state}": state for state in FINAL}
        condition = f"attribute_not_exists(pk) OR #state IN ({', '.join(states_of)})"
        with translated("DynamoDB"):
            if not self._delete(job.tenant, job.job_id, condition, states_of, {"#state": "state"}):
                raise JobNotFinal

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

    def delete_expired(self, tenant: str, job_id: str) -> None:
        """Delete the job if it has expired."""
        with translated("DynamoDB"):
            self._delete(tenant, job_id, "expires_at <= :now", {":now": self._seconds()})

    def _insert(self, job: Job, fingerprint: IdempotencyFingerprint | None, replaced: str) -> Job:
        """Insert the job if its key is unused or belongs to the job `replaced`, else return the key's job."""
        puts = [self._put(to_item(job), "attribute_not_exists(pk)")]
        if fingerprint is not None:
            free = "attribute_not_exists(pk) OR expires_at <= :now OR #job = :replaced"
            put = self._put(
                _key_item(job, fingerprint, self._seconds()), free, {":now": self._seconds(), ":replaced": replaced}
            )
            puts.append(put | {"ExpressionAttributeNames": {"#job": "job"}})
        try:
            self._transact([{"Put": put} for put in puts])
        except ClientError as error:
            if not condition_failed(error):
                raise
            return self._existing(job, fingerprint, error)
        return job

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

    def _write(self, job: Job, changed: Job) -> Job | None:
        """Write the changed job. Returns the job now stored, by this or another process, or None if deleted."""
        update = self._update(to_item(job), to_item(changed), {":seen": job.revision})
        try:
            if changed.state == "succeeded" and not job.final:
                self._transact([{"Update": update}, {"Put": self._bill(changed)}])
            else:
                retry_conflicts(lambda: self._client.update_item(**update))
        except ClientError as error:
            if not condition_failed(error):
                raise
            stored = cast(dict[str, Any], error.response).get("Item")
            return self._live(deserialized(stored) if stored else self._read(key(job.tenant, job.job_id)))
        return changed

    def _bill(self, job: Job) -> Any:
        name = {"pk": f"BILL#{job.tenant}#{job.job_id}", "sk": "BILL", "tenant": job.tenant}
        return self._put(name | states.bill(job), "attribute_not_exists(pk)")

    def _update(self, before: Item, after: Item, values: Item) -> dict[str, Any]:
        """Return an update of the attributes that differ, conditional on an unchanged revision."""
        removed = [name for name in before if name not in after]
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        if removed:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        return {
            "TableName": self._name,
            "Key": serialized({"pk": before["pk"], "sk": before["sk"]}),
            "UpdateExpression": expression,
            "ConditionExpression": "#revision = :seen",
            "ExpressionAttributeNames": {f"#{name}": name for name in [*changed, *removed]},
            "ExpressionAttributeValues": serialized(values | {f":{name}": value for name, value in changed.items()}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _transact(self, items: list[Any]) -> None:
        retry_conflicts(lambda: self._client.transact_write_items(TransactItems=items))

    def _delete(
        self, tenant: str, job_id: str, condition: str, values: Item, names: dict[str, str] | None = None
    ) -> bool:
        """Delete the job if the condition holds; return whether it held."""
        optional: Any = {"ExpressionAttributeNames": names} if names else {}
        return condition_held(
            lambda: self._client.delete_item(
                TableName=self._name,
                Key=serialized(key(tenant, job_id)),
                ConditionExpression=condition,
                ExpressionAttributeValues=serialized(values),
                **optional,
            )
        )

    def _existing(self, job: Job, fingerprint: IdempotencyFingerprint | None, error: ClientError) -> Job:
        """Return the job that made the insert fail: this one, if its acknowledgement was lost, or the key's."""
        if fingerprint is not None:
            item = self._read(_key_of(job.tenant, fingerprint))
            if item is None:
                raise error
            if not fingerprint.matches(item["body"], item.get("request")):
                raise IdempotencyKeyReuse
            return job if item["job"] == job.job_id else self._existing_of_key(job.tenant, item["job"])
        stored = self._live(self._read(key(job.tenant, job.job_id)))  # this job: its id is random, so unique
        if stored is None:
            raise error
        return stored

    def _existing_of_key(self, tenant: str, job_id: str) -> Job:
        stored = self._live(self._read(key(tenant, job_id)))
        if stored is None:
            raise ResultExpired("The job of this Idempotency-Key no longer exists. Use a new key.")
        return stored

    def _read_all(self, tenant: str, ids: list[str]) -> dict[str, Job]:
        found: dict[str, Job] = {}
        for start in range(0, len(ids), _BATCH):
            items = self._read_batch([key(tenant, each) for each in ids[start : start + _BATCH]])
            found |= {item["job_id"]: listed(item) for item in items if self._is_live(item)}
        return found

    def _read_batch(self, keys: list[dict[str, str]]) -> list[Item]:
        """Return the items that exist. Raises StorageUnavailable if DynamoDB keeps leaving keys unprocessed."""
        pending: Any = {self._name: {"Keys": [serialized(each) for each in keys]}}
        items: list[Item] = []
        for pause_s in (0.0, *_UNPROCESSED_PAUSES_S):
            time.sleep(pause_s)
            response = self._client.batch_get_item(RequestItems=pending)
            items += map(deserialized, response["Responses"].get(self._name, []))
            pending = response.get("UnprocessedKeys")
            if not pending:
                return items
        raise StorageUnavailable("DynamoDB is throttled. Try again in a few seconds.", private="UnprocessedKeys")

    def _live(self, item: Item | None) -> Job | None:
        """Return the item's job unless it has expired. Raises UnreadableJob."""
        return from_item(item) if item is not None and self._is_live(item) else None

    def _is_live(self, item: Item) -> bool:
        """Return whether the item has not expired; DynamoDB may take days to delete expired items."""
        return bool(item["expires_at"] > self._seconds())


def _key_of(tenant: str, fingerprint: IdempotencyFingerprint) -> dict[str, str]:
    return {"pk": f"IDEMPOTENCY#{tenant}#{fingerprint.key}", "sk": "IDEMPOTENCY"}


def _key_item(job: Job, fingerprint: IdempotencyFingerprint, now: int) -> Item:
    return _key_of(job.tenant, fingerprint) | {
        "tenant": job.tenant,
        "body": fingerprint.body,
        "request": fingerprint.request,
        "job": job.job_id,  # not job_id, which would add the item to index by_tenant, among the jobs
        "expires_at": now + KEPT_S,
    }


def _token() -> str:
    return secrets.token_hex(8)
