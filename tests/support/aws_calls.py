"""Counts the AWS calls of a test, and makes some of them fail as the network and a busy DynamoDB do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, TypeVar

import boto3
from botocore.exceptions import ReadTimeoutError

T = TypeVar("T")


class AwsCalls:
    """The DynamoDB operations of every client that is made after this object, until moto ends."""

    def __init__(self) -> None:
        self.operations: list[str] = []
        self._conflicts = self._lost = 0
        self._conflicting = ""
        events = default_session().events
        events.register("before-call.dynamodb", self._before)
        events.register("after-call.dynamodb", self._after)

    def take(self) -> list[str]:
        """Return the operations since the last call."""
        taken, self.operations = self.operations, []
        return taken

    def conflict(self, times: int, operation: str = "TransactWriteItems") -> None:
        """Refuse the next `times` writes because of another transaction, before DynamoDB writes anything."""
        self._conflicts, self._conflicting = times, operation

    def lose_replies(self, times: int) -> None:
        """Lose the replies to the next `times` calls, after DynamoDB has written. botocore does not retry these."""
        self._lost = times

    def _before(self, model: Any, **_: Any) -> Any:
        self.operations.append(model.name)
        if not (self._conflicts and model.name == self._conflicting):
            return None
        self._conflicts -= 1
        if model.name != "TransactWriteItems":
            return SimpleNamespace(status_code=400), {"Error": {"Code": "TransactionConflictException"}}
        reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
        error = {"Code": "TransactionCanceledException", "Message": "conflict"}
        return SimpleNamespace(status_code=400), {"Error": error, "CancellationReasons": reasons}

    def _after(self, http_response: Any, **_: Any) -> None:
        if self._lost and http_response.status_code < 300:
            self._lost -= 1
            raise ReadTimeoutError(endpoint_url="https://dynamodb")


def default_session() -> boto3.Session:
    """Return the session of clients that are made without one. A new one, if moto has removed it."""
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    return boto3.DEFAULT_SESSION


def at_once(threads: int, work: Callable[[int], T]) -> list[T]:
    """Return the results of `work` for 0 to `threads` - 1, each in its own thread, started together."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))
