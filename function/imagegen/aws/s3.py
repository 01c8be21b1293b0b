"""Images in S3."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen.aws import clients
from imagegen.aws.url_signer import UrlSigner
from imagegen.generation.ports import SignedUrl, StoredImage

if TYPE_CHECKING:
    import boto3
    from types_boto3_s3 import S3Client

_CONFIG: Final = Config(
    signature_version="s3v4",
    # A request has 28 s in total, so a store that hangs must be detected long before the gateway's timeout.
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=1,
    read_timeout=4,
    # The bucket's regional endpoint. botocore presigns for the global one by default, which redirects other regions.
    s3={"addressing_style": "virtual"},
)
_CONFLICT_ATTEMPTS: Final = 3
"""Attempts at a write. S3 responds 409 to one of two concurrent conditional writes."""


class S3ImageStore:
    """Implements generation.ports.ImageStore. SHA-256 and warnings are in the object's metadata."""

    def __init__(self, bucket: str, url_expires_seconds: int, image_days: int):
        self._bucket = bucket
        self._url_expires = timedelta(seconds=url_expires_seconds)
        self._kept = timedelta(days=image_days)

    @cached_property
    def _session(self) -> boto3.Session:
        return clients.session()

    @cached_property
    def _client(self) -> S3Client:
        client: S3Client = clients.client("s3", _CONFIG, self._session)
        return client

    @cached_property
    def _signer(self) -> UrlSigner:
        return UrlSigner(self._client, self._session, self._bucket)

    def find(self, key: str) -> StoredImage | None:
        """Return the object, or None if it is missing or may be deleted before a URL signed now expires."""
        with clients.translated("S3"):
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if clients.status(error) == HTTPStatus.NOT_FOUND:
                    return None
                raise
        # A lower bound: the bucket's lifecycle rule deletes the object at the midnight (UTC) after that.
        kept_until = head["LastModified"] + self._kept
        if kept_until <= datetime.now(UTC) + self._url_expires:
            return None
        metadata = head["Metadata"]
        warnings = tuple(json.loads(metadata["warnings"]))
        return StoredImage(key, head["ContentLength"], metadata["sha256"], kept_until, warnings)

    def put(self, key: str, body: bytes, content_type: str, *, warnings: Sequence[str], overwrite: bool) -> StoredImage:
        """Store an object. Without `overwrite` an existing object stays and is returned."""
        digest = hashlib.sha256(body)
        request = {
            "Bucket": self._bucket,
            "Key": key,
            "Body": body,
            "ContentType": content_type,
            "ChecksumSHA256": base64.b64encode(digest.digest()).decode(),
            "Metadata": {"sha256": digest.hexdigest(), "warnings": json.dumps(list(warnings))},
        }
        with clients.translated("S3"):
            existing = self._write(request, {} if overwrite else {"IfNoneMatch": "*"})
        new = StoredImage(key, len(body), digest.hexdigest(), datetime.now(UTC) + self._kept, tuple(warnings))
        return existing or new

    def sign(self, key: str, until: datetime) -> SignedUrl:
        """Return a URL for GET that expires at `until`, or earlier with its lifetime or the signing credentials."""
        with clients.translated("S3"):
            ends = [until, *filter(None, [self._signer.credentials_expire()])]
            now = datetime.now(UTC)
            expires_at = min(now + self._url_expires, *ends)
            url = self._signer.sign(key, max(1, int((expires_at - now).total_seconds())))
        return SignedUrl(url, expires_at.replace(microsecond=0))

    def _write(self, request: dict[str, Any], condition: dict[str, str]) -> StoredImage | None:
        """Write the object. Returns the existing object instead if `condition` kept it. Raises ClientError."""
        try:
            self._put_object(request | condition)
        except ClientError as error:
            if clients.status(error) != HTTPStatus.PRECONDITION_FAILED:
                raise
            # S3 also responds 412 to our own write if its acknowledgement was lost and botocore retried it.
            existing = self.find(request["Key"])
            if existing is None:  # it is about to expire: overwrite it
                self._put_object(request)
            return existing
        return None

    def _put_object(self, request: dict[str, Any]) -> None:
        for attempt in range(1, _CONFLICT_ATTEMPTS + 1):
            try:
                self._client.put_object(**request)
            except ClientError as error:
                if clients.status(error) != HTTPStatus.CONFLICT or attempt == _CONFLICT_ATTEMPTS:
                    raise
            else:
                return
