"""Presigned URLs for GET, signed by botocore's signer.

For every URL, `generate_presigned_url` also validates parameters, resolves the endpoint and builds a request, which
takes five times as long. Here that happens once per client.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError
from botocore.utils import percent_encode

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import Credentials
    from types_boto3_s3 import S3Client


class UrlSigner:
    """Signs URLs for the objects of one bucket with the session's credentials."""

    def __init__(self, client: S3Client, session: boto3.Session, bucket: str):
        self._client = client
        self._session = session
        self._bucket = bucket

    def credentials_expire(self) -> datetime | None:
        """Return when the signing credentials expire, or None if that is unknown or never. Raises BotoCoreError.

        Lambda gives a function temporary credentials without their expiry.
        """
        credentials = self._credentials()
        credentials.get_frozen_credentials()  # replaces credentials that are about to expire
        # botocore has no public attribute for it; static credentials lack it.
        return getattr(credentials, "_expiry_time", None)

    def sign(self, key: str, seconds: int) -> str:
        """Return a URL that is valid for `seconds`, the one of generate_presigned_url. Raises BotoCoreError."""
        request = AWSRequest("GET", self._base_url + percent_encode(key, safe="/~"))
        credentials = self._credentials().get_frozen_credentials()
        S3SigV4QueryAuth(credentials, "s3", self._client.meta.region_name, seconds).add_auth(request)
        return str(request.url)

    def _credentials(self) -> Credentials:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials

    @cached_property
    def _base_url(self) -> str:
        """The bucket's URL at the endpoint that botocore chose, such as https://bucket.s3.eu-central-1.amazonaws.com/."""
        url = self._client.generate_presigned_url("get_object", Params={"Bucket": self._bucket, "Key": "key"})
        return url.partition("?")[0].removesuffix("key")
