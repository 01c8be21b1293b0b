"""Where botocore's errors stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from imagegen.errors import StorageUnavailable


@contextmanager
def translated(service: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        reason = code(error) if isinstance(error, ClientError) else None
        raise StorageUnavailable(
            f"{service} does not answer.", private=f"{service}: {type(error).__name__} {reason or ''}".strip()
        ) from error


def code(error: ClientError) -> str:
    return error.response["Error"].get("Code", "")
