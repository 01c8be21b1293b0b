"""The only door to boto3. botocore's errors stop here."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from imagegen.errors import StorageUnavailable
from imagegen.ports import SignedUrl, StoredImage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CONFIG = Config(
    signature_version="s3v4",
    # A request has 28 s in all: a store that hangs must be known before the gateway gives up.
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=1,
    read_timeout=4,
    # The bucket's regional host. The global one, botocore's default for presigned URLs, redirects to other regions.
    s3={"addressing_style": "virtual"},
)
_CONFLICTS = 3
"""Attempts at a write that S3 answers with 409, as it does to one of two conditional writes at the same moment."""


class S3ImageStore:
    """Images as S3 objects; SHA-256 and warnings travel in the object's metadata."""

    def __init__(self, bucket: str, url_expires_seconds: int, image_days: int):
        self._bucket = bucket
        self._url_expires = timedelta(seconds=url_expires_seconds)
        self._kept = timedelta(days=image_days)

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session()

    @cached_property
    def _client(self) -> S3Client:
        client: S3Client = self._session.client("s3", config=_CONFIG)
        return client

    def find(self, key: str) -> StoredImage | None:
        with _translated():
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if _status(error) == HTTPStatus.NOT_FOUND:
                    return None
                raise
        # The bucket's lifecycle deletes at the midnight after that.
        kept_until = head["LastModified"] + self._kept
        if kept_until <= datetime.now(UTC) + self._url_expires:
            return None
        metadata, warnings = head["Metadata"], json.loads(head["Metadata"]["warnings"])
        return StoredImage(key, head["ContentLength"], metadata["sha256"], kept_until, tuple(warnings))

    def put(self, key: str, body: bytes, content_type: str, *, warnings: Sequence[str], overwrite: bool) -> StoredImage:
        digest = hashlib.sha256(body)
        condition: Any = {} if overwrite else {"IfNoneMatch": "*"}
        with _translated():
            for attempt in range(1, _CONFLICTS + 1):
                try:
                    self._client.put_object(
                        Bucket=self._bucket,
                        Key=key,
                        Body=body,
                        ContentType=content_type,
                        ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
                        Metadata={"sha256": digest.hexdigest(), "warnings": json.dumps(list(warnings))},
                        **condition,
                    )
                except ClientError as error:
                    if _status(error) == HTTPStatus.CONFLICT and attempt < _CONFLICTS:
                        continue
                    if _status(error) != HTTPStatus.PRECONDITION_FAILED:
                        raise
                    # Also the answer to our own write when its acknowledgement was lost and botocore tried again.
                    stored = self.find(key)
                    if stored is not None:
                        return stored
                    condition = {}  # about to expire: written anew
                else:
                    break
        return StoredImage(key, len(body), digest.hexdigest(), datetime.now(UTC) + self._kept, tuple(warnings))

    def sign(self, key: str, until: datetime) -> SignedUrl:
        """A URL for GET. It ends with the credentials that sign it, if they end sooner."""
        now = datetime.now(UTC)
        with _translated():
            expires_at = min(now + self._url_expires, until)
            ends = self._credentials_end()
            if ends is not None:
                expires_at = min(expires_at, ends)
            url = self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": key},
                ExpiresIn=max(1, int((expires_at - now).total_seconds())),
            )
        return SignedUrl(url, expires_at.replace(microsecond=0))

    def _credentials_end(self) -> datetime | None:
        # botocore keeps the end of temporary credentials in a private attribute only; static ones have none.
        return getattr(self._session.get_credentials(), "_expiry_time", None)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        reason = error.response["Error"].get("Code") if isinstance(error, ClientError) else None
        raise StorageUnavailable(
            "The image store does not answer.", private=f"S3: {type(error).__name__} {reason or ''}".strip()
        ) from error


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
