"""Uploads in S3."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from imagegen.aws import clients
from imagegen.aws.s3 import CONFIG
from imagegen.errors import ImageTooLarge, UploadNotFound
from imagegen.pictures.inspection import MAX_BYTES
from imagegen.pictures.uploads import FORM_EXPIRES, KEPT, ContentType, UploadForm, is_id, new_id, object_key

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef


class S3Uploads:
    """Implements pictures.uploads.Uploads."""

    def __init__(self, bucket: str):
        self._bucket = bucket

    @cached_property
    def _client(self) -> S3Client:
        client: S3Client = clients.client("s3", CONFIG)
        return client

    def form(self, tenant: str, content_type: ContentType) -> UploadForm:
        """Return a form for one new upload, which S3 accepts with this key, this type and 1 to MAX_BYTES bytes."""
        upload_id, expires_at = new_id(), datetime.now(UTC) + FORM_EXPIRES
        with clients.translated("S3"):
            signed = self._client.generate_presigned_post(
                self._bucket,
                object_key(tenant, upload_id),
                Fields={"Content-Type": content_type},
                Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, MAX_BYTES]],
                ExpiresIn=int(FORM_EXPIRES.total_seconds()),
            )
        return UploadForm(upload_id, signed["url"], signed["fields"], expires_at.replace(microsecond=0))

    def fetch(self, tenant: str, upload_id: str) -> bytes:
        """Return the tenant's upload."""
        if not is_id(upload_id):
            raise UploadNotFound
        with clients.translated("S3"):
            found = self._found(object_key(tenant, upload_id))
            if found is None or found["LastModified"] + KEPT <= datetime.now(UTC):
                raise UploadNotFound
            if found["ContentLength"] > MAX_BYTES:
                raise ImageTooLarge(f"The upload has {found['ContentLength']} bytes and must have at most {MAX_BYTES}.")
            return found["Body"].read()

    def _found(self, key: str) -> GetObjectOutputTypeDef | None:
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if clients.status(error) != HTTPStatus.NOT_FOUND:
                raise
            return None
