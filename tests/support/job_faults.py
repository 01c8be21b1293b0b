"""Failures of DynamoDB, S3 and SQS that tests inject below a JobWorld."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn, cast

from botocore.exceptions import ClientError, EndpointConnectionError

from imagegen.aws.s3 import S3ImageStore
from imagegen.errors import StorageUnavailable
from imagegen.jobs.ports import Listed
from tests.support.job_world import JobWorld


def fail_calls(world: JobWorld, operation: str, nth: int = 1, *, times: int = 1, after: bool = False) -> None:
    """Fail `times` calls of a DynamoDB operation, or of S3's put_object, starting with the n-th.

    The request is lost before it is sent. With `after`, it is executed and only its response is lost.
    """
    client: Any = (
        cast(S3ImageStore, world.container.image_store)._client if operation == "put_object" else world.store._client
    )
    real, calls = getattr(client, operation), 0

    def call(**request: object) -> object:
        nonlocal calls
        calls += 1
        if not nth <= calls < nth + times:
            return real(**request)
        if after:
            with suppress(ClientError):
                real(**request)
        raise EndpointConnectionError(endpoint_url="https://table")

    setattr(client, operation, call)


def unavailable(*_: object) -> NoReturn:
    raise StorageUnavailable("unavailable")


class UnavailableTurns:
    """A TurnStore whose calls all fail."""

    def waiting(self, limit: int, after: str = "") -> list[Listed]:
        unavailable()

    def last(self) -> str:
        unavailable()

    def take(self, last: str, tenant: str) -> bool:
        unavailable()


class UnavailableQueue:
    """A JobQueue whose calls all fail."""

    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None:
        unavailable()

    def put_all(self, jobs: Sequence[Listed]) -> list[Listed]:
        unavailable()

    def waiting(self) -> int:
        unavailable()

    def postpone(self, receipt: str, seconds: int) -> None:
        unavailable()

    def dead_letter(self, body: str, reason: str) -> None:
        unavailable()
