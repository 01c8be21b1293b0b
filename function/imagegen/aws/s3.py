"""Images in S3."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import TypeAdapter, ValidationError

from imagegen.aws import clients
from imagegen.aws.url_signer import UrlSigner
from imagegen.generation.ports import SignedUrl, StoredImage

if TYPE_CHECKING:
    import boto3
    from types_boto3_s3 import S3Client

    from imagegen.aws.cdn_signer import CdnSigner

CONFIG: Final = Config(
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
    """Implements generation.ports.ImageStore. A cache entry is a JSON document that describes its images.

    With a `cdn`, URLs are those of its distribution; all else is S3's.
    """

    def __init__(self, bucket: str, url_expires_seconds: int, image_days: int, cdn: CdnSigner | None = None):
        self._bucket = bucket
        self._cdn = cdn
        self._url_expires = timedelta(seconds=url_expires_seconds)
        self._kept = timedelta(days=image_days)

    @cached_property
    def _session(self) -> boto3.Session:
        return clients.session()

    @cached_property
    def _client(self) -> S3Client:
        client: S3Client = clients.client("s3", CONFIG, self._session)
        return client

    @cached_property
    def _signer(self) -> UrlSigner:
        return UrlSigner(self._client, self._session, self._bucket)

    def put(
        self, key: str, body: bytes, content_type: str, *, pixels_sha256: str, warnings: Sequence[str]
    ) -> StoredImage:
        """Store an image. Downloads are shown by browsers, and saved under the last part of the key."""
        stored_at, digest = datetime.now(UTC), hashlib.sha256(body)
        checksum = base64.b64encode(digest.digest()).decode()
        with clients.translated("S3"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                ContentDisposition=f'inline; filename="{key.rpartition("/")[2]}"',
                ChecksumSHA256=checksum,
            )
        kept_until = stored_at + self._kept
        return StoredImage(key, len(body), digest.hexdigest(), stored_at, kept_until, tuple(warnings), pixels_sha256)

    def find(self, entry: str) -> list[StoredImage] | None:
        """Return the entry's images, or None if it is missing or one may be deleted before a URL signed now expires."""
        with clients.translated("S3"):
            images = self._read_entry(entry)
        # A lower bound: the bucket's lifecycle rule deletes an object at the midnight (UTC) after that.
        images = [dataclasses.replace(image, kept_until=image.stored_at + self._kept) for image in images]
        expire = min((image.kept_until for image in images), default=None)
        return None if expire is None or expire <= datetime.now(UTC) + self._url_expires else images

    def remember(self, entry: str, images: Sequence[StoredImage], *, replace: bool) -> None:
        """Write a cache entry. Without `replace` an entry that `find` returns stays as it is."""
        body = _entries().dump_json(list(images))
        request = {"Bucket": self._bucket, "Key": entry, "Body": body, "ContentType": "application/json"}
        with clients.translated("S3"):
            self._write(request, {} if replace else {"IfNoneMatch": "*"})

    def read(self, key: str) -> bytes:
        """Return the image that was stored."""
        with clients.translated("S3"):
            body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body

    def require_signer(self) -> None:
        """Raise DeliveryUnavailable if no URL could be signed. S3's are signed with the function's own credentials."""
        if self._cdn is not None:
            self._cdn.require_key()

    def sign(self, key: str, until: datetime) -> SignedUrl:
        """Return a URL for GET that expires at `until`, or earlier with its lifetime or the signing credentials."""
        if self._cdn is not None:
            expires_at = min(datetime.now(UTC) + self._url_expires, until).replace(microsecond=0)
            return SignedUrl(self._cdn.sign(key, expires_at), expires_at)
        with clients.translated("S3"):
            ends = [until, *filter(None, [self._signer.credentials_expire()])]
            now = datetime.now(UTC)
            expires_at = min(now + self._url_expires, *ends)
            url = self._signer.sign(key, max(1, int((expires_at - now).total_seconds())))
        return SignedUrl(url, expires_at.replace(microsecond=0))

    def _read_entry(self, entry: str) -> list[StoredImage]:
        """Return the entry's images; empty if there is none, or one of a version that this one cannot read."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=entry)["Body"].read()
            return _entries().validate_json(body)
        except ClientError as error:
            if clients.status(error) != HTTPStatus.NOT_FOUND:
                raise
        except ValidationError:
            pass
        return []

    def _write(self, request: dict[str, Any], condition: dict[str, str]) -> None:
        """Write the object unless `condition` keeps an existing entry that can be used."""
        try:
            self._put_object(request | condition)
        except ClientError as error:
            # S3 also responds 412 to our own write if its acknowledgement was lost and botocore retried it.
            if clients.status(error) != HTTPStatus.PRECONDITION_FAILED:
                raise
            if self.find(request["Key"]) is None:
                self._put_object(request)

    def _put_object(self, request: dict[str, Any]) -> None:
        for attempt in range(1, _CONFLICT_ATTEMPTS + 1):
            try:
                self._client.put_object(**request)
            except ClientError as error:
                if clients.status(error) != HTTPStatus.CONFLICT or attempt == _CONFLICT_ATTEMPTS:
                    raise
            else:
                return


@cache
def _entries() -> TypeAdapter[list[StoredImage]]:
    return TypeAdapter(list[StoredImage])  # not at import: it takes milliseconds, and most functions read no entry
