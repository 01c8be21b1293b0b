"""The DynamoDB table: client, serialization and classification of its errors."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen.aws.clients import client, code
from imagegen.errors import StorageUnavailable
from imagegen.jobs.ports import Clock

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=1, read_timeout=3)
ATTEMPTS: Final = 10
"""Of a write that a caller can repeat: pauses of 3.1 s in all at most, half of it on average."""
PATIENT_ATTEMPTS: Final = 40
"""Of a write after the work, which would be lost with it: pauses of 18 s at most, half of it on average."""
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.5
"""Pauses double, with full jitter."""
BATCH: Final = 100
"""Items per BatchGetItem."""
_UNPROCESSED_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Pauses before keys that DynamoDB left unprocessed are read again; botocore does not retry them."""
_JITTER: Final = secrets.SystemRandom()

Item = dict[str, Any]


class Table:
    """Base of the adapters that share the table. Only tools pass a client, for another AWS than the environment's."""

    def __init__(self, name: str, clock: Clock, client: DynamoDBClient | None = None):
        self._name = name
        self._clock = clock
        self._given = client

    @cached_property
    def _client(self) -> DynamoDBClient:
        made: DynamoDBClient = self._given or client("dynamodb", _CONFIG)
        return made

    def _put(self, item: Item, condition: str, values: Item | None = None) -> Any:
        put = {"TableName": self._name, "Item": serialized(item), "ConditionExpression": condition}
        return put if values is None else put | {"ExpressionAttributeValues": serialized(values)}

    def _read(self, name: Mapping[str, str]) -> Item | None:
        item = self._client.get_item(TableName=self._name, Key=serialized(name), ConsistentRead=True).get("Item")
        return None if item is None else deserialized(item)

    def _read_batch(self, keys: Sequence[Mapping[str, str]], *, consistent: bool = False) -> list[Item]:
        """Return the items that exist, of up to BATCH keys, in any order. One call; none without keys.

        Raises StorageUnavailable if DynamoDB keeps leaving keys unprocessed.
        """
        if not keys:
            return []
        pending: Any = {self._name: {"Keys": [serialized(each) for each in keys], "ConsistentRead": consistent}}
        items: list[Item] = []
        for pause_s in (0.0, *_UNPROCESSED_PAUSES_S):
            time.sleep(pause_s)
            response = self._client.batch_get_item(RequestItems=pending)
            items += map(deserialized, response["Responses"].get(self._name, []))
            pending = response.get("UnprocessedKeys")
            if not pending:
                return items
        raise StorageUnavailable("DynamoDB is throttled. Try again in a few seconds.", private="UnprocessedKeys")

    def _due_keys(self, shard: str, limit: int) -> list[str]:
        """Return the `pk` of up to `limit` rows of the shard of index by_due that are due, the oldest first."""
        return [entry["pk"]["S"] for entry in self._due(shard, limit)]

    def _due(self, shard: str, limit: int) -> list[Any]:
        """Return the rows' entries of the index. One call for each megabyte of keys, of about 10,000 rows."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName="by_due",
            KeyConditionExpression="due_shard = :shard AND due_at <= :now",
            ExpressionAttributeValues=serialized({":shard": shard, ":now": self._clock()}),
            PaginationConfig={"MaxItems": limit, "PageSize": limit},
        )
        return [entry for page in pages for entry in page["Items"]]

    def _seconds(self) -> int:
        return self._clock() // 1000


def serialized(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in DynamoDB's JSON."""
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in plain.items()}


def deserialized(item: Mapping[str, Any]) -> Item:
    """Return the plain values of DynamoDB's JSON; numbers are Decimal."""
    deserialize = TypeDeserializer().deserialize
    return {name: deserialize(value) for name, value in item.items()}


def go_on() -> None:
    """Do nothing after a conflict."""


def retry_conflicts(
    write: Callable[[], object], attempts: int = ATTEMPTS, on_conflict: Callable[[], None] = go_on
) -> None:
    """Retry a write that conflicts with a transaction, which botocore does not retry.

    Raises ClientError, and what `on_conflict` raises, which is called before each pause.
    """
    for attempt in range(1, attempts):
        try:
            write()
        except ClientError as error:
            if condition_failed(error) or not conflicted(error):
                raise
        else:
            return
        on_conflict()
        time.sleep(_JITTER.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1))))
    write()


def condition_held(write: Callable[[], object]) -> bool:
    """Return whether a conditional write was done, as opposed to rejected by its condition. Raises ClientError."""
    try:
        write()
    except ClientError as error:
        if not condition_failed(error):
            raise
        return False
    return True


def condition_failed(error: ClientError) -> bool:
    """Return whether the write failed only because a condition was not met."""
    if code(error) == "ConditionalCheckFailedException":
        return True
    reasons = {each.get("Code", "None") for each in error.response.get("CancellationReasons", [])}
    return "ConditionalCheckFailed" in reasons and reasons <= {"ConditionalCheckFailed", "None"}


def conflicted(error: ClientError) -> bool:
    """Return whether the write failed because a transaction was writing the same row."""
    reasons = {each.get("Code") for each in error.response.get("CancellationReasons", [])}
    return code(error) == "TransactionConflictException" or "TransactionConflict" in reasons
