"""Word lists in S3 or in SSM Parameter Store."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from botocore.config import Config

from imagegen.aws.clients import client, translated
from imagegen.errors import StorageUnavailable
from imagegen.moderation.ports import ListsUnreadable
from imagegen.moderation.word_lists import MAX_BYTES

_CONFIG: Final = Config(
    # A request waits for it, and all others of its process. Half a minute later there is another attempt.
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=1,
    read_timeout=2,
)


class S3WordLists:
    """Implements moderation.ports.ListSource with an object of the stack's bucket."""

    def __init__(self, bucket: str, key: str):
        self._bucket = bucket
        self._key = key

    @cached_property
    def _client(self) -> Any:
        return client("s3", _CONFIG)

    def read(self) -> bytes:
        """Return the object, or its beginning if it is too large for lists. Raises ListsUnreadable."""
        try:
            with translated("S3"):
                body: bytes = self._client.get_object(Bucket=self._bucket, Key=self._key)["Body"].read(MAX_BYTES + 1)
        except StorageUnavailable as error:
            raise ListsUnreadable(error.private) from None
        return body


class SsmWordLists:
    """Implements moderation.ports.ListSource with a parameter, of up to 4 kB or, as an advanced one, 8 kB."""

    def __init__(self, name: str):
        self._name = name

    @cached_property
    def _client(self) -> Any:
        return client("ssm", _CONFIG)

    def read(self) -> str:
        """Return the parameter's value. Raises ListsUnreadable."""
        try:
            with translated("SSM"):
                return str(self._client.get_parameter(Name=self._name, WithDecryption=True)["Parameter"]["Value"])
        except StorageUnavailable as error:
            raise ListsUnreadable(error.private) from None
