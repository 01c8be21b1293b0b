"""boto3 clients, and the translation of botocore's errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from imagegen.errors import StorageUnavailable

_LOCK: Final = threading.Lock()
"""Creating sessions and clients is not thread-safe (boto3 guide, "Resources"); using clients is."""

_ANNOUNCED_BYTES: Final = 2 << 20
"""From this size on, a body is sent only after S3 has agreed to take it (`Expect: 100-continue`), as with the AWS SDK
for Go v2. botocore asks for any body: a round trip for each image and each cache entry."""


def session() -> boto3.Session:
    """Return a new session."""
    with _LOCK:
        return boto3.Session()


def client(service: str, config: Config, session: boto3.Session | None = None) -> Any:
    """Return a new client of `session`, or of the default session."""
    with _LOCK:
        created = (session or boto3).client(service, config=config)
    created.meta.events.register("before-send.s3.PutObject", _send_small_bodies_at_once)
    return created


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Raise botocore's errors as StorageUnavailable, whose `private` has the class and code, not the message.

    urllib3's, too: botocore passes them on if the body of an error response breaks off in an operation that streams.
    """
    try:
        yield
    except (BotoCoreError, ClientError, HTTPError) as error:
        reason = code(error) if isinstance(error, ClientError) else ""
        raise StorageUnavailable(
            f"{service} is unavailable. Retry in a few seconds.",
            private=f"{service}: {type(error).__name__} {reason}".strip(),
        ) from error


def _send_small_bodies_at_once(request: AWSPreparedRequest, **_: object) -> None:
    headers = request.headers
    length = headers.get("X-Amz-Decoded-Content-Length") or headers.get("Content-Length")  # the first: in chunks
    small = length is not None and int(length) < _ANNOUNCED_BYTES
    if small and "Expect" in headers:
        del headers["Expect"]


def code(error: ClientError) -> str:
    """Return the error's code, such as ConditionalCheckFailedException."""
    return error.response["Error"].get("Code", "")


def status(error: ClientError) -> int:
    """Return the HTTP status of the response."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
