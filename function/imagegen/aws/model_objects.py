"""Published versions of models in S3, and the rollout in SSM Parameter Store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen.aws.clients import client, code, status, translated
from imagegen.aws.s3 import CONFIG
from imagegen.catalog.download import PARALLEL

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_DOWNLOADS: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=1,
    read_timeout=10,
    max_pool_connections=PARALLEL,
)
_ROLLOUT: Final = Config(
    # A request waits for it, and goes on without it: half a minute later there is another attempt.
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=0.5,
    read_timeout=1,
)
_PIECE: Final = 1024 * 1024
"""Bytes that a download holds in memory for each range."""


class S3ModelObjects:
    """Implements catalog.ports.ModelObjects."""

    def __init__(self, bucket: str, s3: S3Client | None = None):
        """`s3` is for programs; a function has its own client."""
        self._bucket = bucket
        self._given = s3

    @cached_property
    def _descriptions(self) -> S3Client:
        """For what a request waits for, which goes on with the version before if the bucket does not answer."""
        found: S3Client = self._given or client("s3", CONFIG)
        return found

    @cached_property
    def _downloads(self) -> S3Client:
        found: S3Client = self._given or client("s3", _DOWNLOADS)
        return found

    def read(self, key: str, most: int) -> bytes | None:
        """Return the object or, if it is longer, its first `most` + 1 bytes; None if there is none."""
        with translated("S3"):
            try:
                return self._descriptions.get_object(Bucket=self._bucket, Key=key)["Body"].read(most + 1)
            except ClientError as error:
                if status(error) != HTTPStatus.NOT_FOUND:
                    raise
                return None

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the bytes of each object whose key begins with `prefix`."""
        with translated("S3"):
            pages = self._descriptions.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}

    def read_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Yield a part of the object, whose length is the caller's to check."""
        with translated("S3"):
            part = f"bytes={start}-{start + length - 1}"
            body = self._downloads.get_object(Bucket=self._bucket, Key=key, Range=part)["Body"]
            yield from body.iter_chunks(_PIECE)


class SsmRollout:
    """Implements catalog.ports.RolloutSource with a parameter of type String."""

    def __init__(self, name: str):
        self._name = name

    @cached_property
    def _provider(self) -> SSMProvider:
        ssm: Any = client("ssm", _ROLLOUT)
        return SSMProvider(boto3_client=ssm)

    def read(self) -> str | None:
        """Return the parameter's value, or None if there is none. Raises StorageUnavailable.

        It is not cached here: catalog.current_models decides when it is read again.
        """
        with translated("SSM"):
            try:
                return str(self._provider.get(self._name, force_fetch=True))
            except GetParameterError as error:
                cause = error.__context__
                if isinstance(cause, ClientError) and code(cause) == "ParameterNotFound":
                    return None
                raise cause or error from None
