"""Jobs, bills, idempotency keys and leases in one DynamoDB table. Every write is conditional."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen import jobs
from imagegen.aws_client import client
from imagegen.aws_errors import code, translated
from imagegen.errors import IdempotencyKeyReuse, JobNotFinal, JobNotFound, ResultExpired
from imagegen.idempotency import KEPT_S, KeyedBody
from imagegen.job_item import DONE, OPEN, from_item, key, to_item
from imagegen.jobs import Job, State
from imagegen.ports import Clock, Page

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=1, read_timeout=3)
_SCANNED: Final = 1000
"""Jobs looked at for one page of a single state; the page may be short then, and its cursor goes on."""
_CONTESTED_S: Final = (0.02, 0.05, 0.1, 0.2)
"""Pauses before a contested item is written again."""
_BATCH: Final = 100
"""Items that DynamoDB reads at once."""

Item = dict[str, Any]


class _Table:
    def __init__(self, name: str, clock: Clock):
        self._name = name
        self._clock = clock

    @cached_property
    def _client(self) -> DynamoDBClient:
        made: DynamoDBClient = client("dynamodb", _CONFIG)
        return made


class DynamoJobStore(_Table):
    """A ports.JobStore."""

    def add(self, job: Job, keyed: KeyedBody | None = None) -> Job:
        job = replace(job, revision=_token())
        puts = [self._put(to_item(job), "attribute_not_exists(pk)")]
        if keyed is not None:
            unused = "attribute_not_exists(pk) OR expires_at <= :now"
            puts.append(self._put(self._key_item(job, keyed), unused, {":now": self._seconds()}))
        with translated("DynamoDB"):
            try:
                _uncontested(lambda: self._client.transact_write_items(TransactItems=[{"Put": put} for put in puts]))
            except ClientError as error:
                if not _conditions_failed(error):
                    raise
                return self._standing_for(job, keyed, error)
        return job

    def get(self, tenant: str, job_id: str) -> Job | None:
        with translated("DynamoDB"):
            item = self._read(key(tenant, job_id))
        return self._alive(item)

    def change(self, job: Job, transition: Callable[[Job], Job]) -> Job:
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
        request = {
            "ConditionExpression": "attribute_not_exists(pk) OR #state IN (:succeeded, :failed, :cancelled)",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": _values({f":{state}": state for state in jobs.FINAL}),
        }
        with translated("DynamoDB"):
            try:
                self._client.delete_item(TableName=self._name, Key=_values(key(job.tenant, job.job_id)), **request)  # type: ignore[arg-type]
            except ClientError as error:
                if _conditions_failed(error):
                    raise JobNotFinal("The job has not finished; cancel it first.") from None
                raise

    def page(self, tenant: str, *, limit: int, after: str | None, state: State | None) -> Page:
        request: dict[str, Any] = {
            "KeyConditionExpression": "tenant = :tenant",
            "ExpressionAttributeValues": {":tenant": tenant},
            "Limit": limit,
        }
        if after is not None:
            request["ExclusiveStartKey"] = _values(key(tenant, after) | {"tenant": tenant, "job_id": after})
        if state is not None:
            request["FilterExpression"] = "#state = :state"
            request["ExpressionAttributeNames"] = {"#state": "state"}
            request["ExpressionAttributeValues"][":state"] = state
            request["Limit"] = _SCANNED
        request["ExpressionAttributeValues"] = _values(request["ExpressionAttributeValues"])
        with translated("DynamoDB"):
            answer = self._client.query(TableName=self._name, IndexName="by_tenant", ScanIndexForward=False, **request)
            ids = [_plain(item)["job_id"] for item in answer["Items"]]
            last = _plain(dict(answer["LastEvaluatedKey"]))["job_id"] if "LastEvaluatedKey" in answer else None
            if len(ids) > limit:
                ids, last = ids[:limit], ids[limit - 1]
            found = self._read_all(tenant, ids)
        listed = [job for job in map(found.get, ids) if job is not None and (state is None or job.state == state)]
        return Page(listed, last)

    def due(self, limit: int) -> list[tuple[str, str]]:
        with translated("DynamoDB"):
            found = self._due(OPEN, limit)
            if len(found) < limit:
                found += self._due(DONE, limit - len(found))
        return found

    def forget(self, tenant: str, job_id: str) -> None:
        with translated("DynamoDB"):
            try:
                self._client.delete_item(
                    TableName=self._name,
                    Key=_values(key(tenant, job_id)),
                    ConditionExpression="expires_at <= :now",
                    ExpressionAttributeValues=_values({":now": self._seconds()}),
                )
            except ClientError as error:
                if not _conditions_failed(error):
                    raise

    def _due(self, shard: str, limit: int) -> list[tuple[str, str]]:
        answer = self._client.query(
            TableName=self._name,
            IndexName="by_due",
            KeyConditionExpression="due_shard = :shard AND due_at <= :now",
            ExpressionAttributeValues=_values({":shard": shard, ":now": self._clock()}),
            Limit=limit,
        )
        keys = [str(_plain(item)["pk"]).split("#") for item in answer["Items"]]
        return [(tenant, job_id) for _, tenant, job_id in keys]

    def _write(self, job: Job, changed: Job) -> Job | None:
        """What is stored now: the changed job, or what stood in its way."""
        update = self._update(to_item(job), to_item(changed), {":seen": job.revision})
        succeeds = changed.state == "succeeded" and not job.final
        try:
            if succeeds:
                name = {"pk": f"BILL#{job.tenant}#{job.job_id}", "sk": "BILL", "tenant": job.tenant}
                put = self._put(name | jobs.bill(changed), "attribute_not_exists(pk)")
                _uncontested(
                    lambda: self._client.transact_write_items(TransactItems=[{"Update": update}, {"Put": put}])  # type: ignore[typeddict-item]
                )
            else:
                _uncontested(lambda: self._client.update_item(**update))
        except ClientError as error:
            if not _conditions_failed(error):
                raise
            stored = cast(dict[str, Any], error.response).get("Item")
            return self._alive(_plain(stored) if stored else self._read(key(job.tenant, job.job_id)))
        return changed

    def _update(self, before: Item, after: Item, values: Item) -> dict[str, Any]:
        """Change what differs, under the condition that nobody has changed anything."""
        removed = [name for name in before if name not in after]
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        if removed:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        return {
            "TableName": self._name,
            "Key": _values({"pk": before["pk"], "sk": before["sk"]}),
            "UpdateExpression": expression,
            "ConditionExpression": "#revision = :seen",
            "ExpressionAttributeNames": {f"#{name}": name for name in [*changed, *removed]},
            "ExpressionAttributeValues": _values(values | {f":{name}": value for name, value in changed.items()}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _put(self, item: Item, condition: str, values: Item | None = None) -> Any:
        put = {"TableName": self._name, "Item": _values(item), "ConditionExpression": condition}
        return put if values is None else put | {"ExpressionAttributeValues": _values(values)}

    def _key_item(self, job: Job, keyed: KeyedBody) -> Item:
        return {
            "pk": f"IDEMPOTENCY#{job.tenant}#{keyed.key}",
            "sk": "IDEMPOTENCY",
            "tenant": job.tenant,
            "body": keyed.body,
            "job": job.job_id,  # under the name job_id it would be in by_tenant, among the jobs
            "expires_at": self._seconds() + KEPT_S,
        }

    def _standing_for(self, job: Job, keyed: KeyedBody | None, refusal: ClientError) -> Job:
        """The job that a refused write stumbled over: our own, whose acknowledgement was lost, or the key's."""
        if keyed is not None:
            wanted = self._key_item(job, keyed)
            item = self._read({"pk": wanted["pk"], "sk": wanted["sk"]})
            if item is None:
                raise refusal
            if item["body"] != keyed.body:
                raise IdempotencyKeyReuse("The Idempotency-Key was used with another body.")
            return job if item["job"] == job.job_id else self._earlier(job.tenant, item["job"])
        stored = self._alive(self._read(key(job.tenant, job.job_id)))  # ours: the id is random
        if stored is None:
            raise refusal
        return stored

    def _earlier(self, tenant: str, job_id: str) -> Job:
        earlier = self._alive(self._read(key(tenant, job_id)))
        if earlier is None:
            raise ResultExpired("The job of this Idempotency-Key was deleted.")
        return earlier

    def _read(self, name: Mapping[str, str]) -> Item | None:
        item = self._client.get_item(TableName=self._name, Key=_values(name), ConsistentRead=True).get("Item")
        return None if item is None else _plain(item)

    def _read_all(self, tenant: str, ids: list[str]) -> dict[str, Job]:
        found: dict[str, Job] = {}
        for start in range(0, len(ids), _BATCH):
            asked: Any = {
                self._name: {"Keys": [_values(key(tenant, job_id)) for job_id in ids[start : start + _BATCH]]}
            }
            while asked:
                answer = self._client.batch_get_item(RequestItems=asked)
                alive = [self._alive(_plain(item)) for item in answer["Responses"].get(self._name, [])]
                found |= {job.job_id: job for job in alive if job is not None}
                asked = answer.get("UnprocessedKeys")
        return found

    def _alive(self, item: Item | None) -> Job | None:
        """DynamoDB may take days to delete what has expired."""
        return None if item is None or item["expires_at"] <= self._seconds() else from_item(item)

    def _seconds(self) -> int:
        return self._clock() // 1000


class DynamoLeases(_Table):
    """A ports.Leases."""

    def take(self, tenant: str, name: str, owner: str, seconds: float) -> bool:
        now = self._clock()
        until = now + round(seconds * 1000)
        ends = {"lease_until": until, "expires_at": until // 1000 + 60}
        item = _lease(tenant, name) | {"tenant": tenant, "owner": owner} | ends
        return self._attempt(
            lambda: self._client.put_item(
                TableName=self._name,
                Item=_values(item),
                ConditionExpression="attribute_not_exists(pk) OR lease_until < :now OR #owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues=_values({":now": now, ":owner": owner}),
            )
        )

    def release(self, tenant: str, name: str, owner: str) -> None:
        self._attempt(
            lambda: self._client.delete_item(
                TableName=self._name,
                Key=_values(_lease(tenant, name)),
                ConditionExpression="#owner = :owner",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues=_values({":owner": owner}),
            )
        )

    def _attempt(self, write: Callable[[], object]) -> bool:
        with translated("DynamoDB"):
            try:
                write()
            except ClientError as error:
                if not _conditions_failed(error):
                    raise
                return False
        return True


def _uncontested(write: Callable[[], object]) -> None:
    """Write again where another transaction held the item at that moment, which botocore leaves to its callers."""
    for pause_s in _CONTESTED_S:
        try:
            write()
        except ClientError as error:
            if not _contested(error):
                raise
        else:
            return
        time.sleep(pause_s)
    write()


def _contested(error: ClientError) -> bool:
    reasons = {each.get("Code") for each in error.response.get("CancellationReasons", [])}
    return code(error) == "TransactionConflictException" or "TransactionConflict" in reasons


def _lease(tenant: str, name: str) -> dict[str, str]:
    return {"pk": f"LEASE#{tenant}#{name}", "sk": "LEASE"}


def _token() -> str:
    return secrets.token_hex(8)


def _conditions_failed(error: ClientError) -> bool:
    """Whether nothing but a condition of ours stood in the way."""
    if code(error) == "ConditionalCheckFailedException":
        return True
    reasons = {each.get("Code", "None") for each in error.response.get("CancellationReasons", [])}
    return "ConditionalCheckFailed" in reasons and reasons <= {"ConditionalCheckFailed", "None"}


def _values(plain: Mapping[str, Any]) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in plain.items()}


def _plain(item: Mapping[str, Any]) -> Item:
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}
