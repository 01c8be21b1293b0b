"""Objects of the bucket that are read and written whole: checkpoints and pictures of jobs, certificates."""

from __future__ import annotations

from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen.aws import clients
from imagegen.aws.s3 import CONFIG

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CHECKPOINTS: Final = Config(
    # A save has two seconds before the deadline (generation.checkpoint), which it must not use up for the next writes.
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=0.5,
    read_timeout=1.5,
)


class S3Objects:
    """Implements generation.ports.CheckpointStore, with CHECKPOINTS, and generation.inputs.InputStore."""

    def __init__(self, bucket: str, config: Config = CONFIG):
        self._bucket = bucket
        self._config = config

    @cached_property
    def _client(self) -> S3Client:
        client: S3Client = clients.client("s3", self._config)
        return client

    def read(self, key: str) -> bytes | None:
        """Return the object, or None if there is none."""
        with clients.translated("S3"):
            try:
                return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as error:
                if clients.status(error) != HTTPStatus.NOT_FOUND:
                    raise
                return None

    def write(self, key: str, body: bytes) -> None:
        """Store the object, in place of an earlier one."""
        with clients.translated("S3"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/octet-stream")

    def delete(self, key: str) -> None:
        """Delete the object, if there is one."""
        with clients.translated("S3"):
            self._client.delete_object(Bucket=self._bucket, Key=key)
