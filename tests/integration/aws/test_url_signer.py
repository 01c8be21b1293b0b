"""URLs are those of botocore's own generate_presigned_url, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore.config import Config

from imagegen.aws.url_signer import UrlSigner

KEYS = [
    "images/0123456789abcdef/" + "a" * 64 + "/demo-7.png",
    "images/alice/0/0.png",  # as version 0.1.0 stored it
    "images/local/0/my model ~(1)+%2F-\u00e9-7.webp",
]
NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW)


def of_bucket(bucket: str, **config: Any) -> tuple[Any, UrlSigner]:
    session = boto3.Session(region_name="eu-central-1")
    client = session.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}, **config))
    return client, UrlSigner(client, session, bucket)


@pytest.mark.parametrize("token", [None, "token/+=="])
@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:4566"])
@pytest.mark.parametrize("bucket", ["imagegen-dev-bucket", "with.dots"])
@pytest.mark.parametrize("key", KEYS)
def test_a_url_is_the_one_of_botocore(
    monkeypatch: pytest.MonkeyPatch, token: str | None, endpoint: str | None, bucket: str, key: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret/+")
    for name, value in (("AWS_SESSION_TOKEN", token), ("AWS_ENDPOINT_URL_S3", endpoint)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    client, signer = of_bucket(bucket)
    params = {"Bucket": bucket, "Key": key}
    for seconds in (1, 3600):
        expected = client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
        assert signer.sign(key, seconds) == expected


def test_new_credentials_sign_the_next_url(monkeypatch: pytest.MonkeyPatch) -> None:
    _, signer = of_bucket("imagegen-dev-bucket")
    credentials = signer._session.get_credentials()
    assert credentials is not None
    first = signer.sign(KEYS[0], 60)
    credentials.access_key, credentials.secret_key = "AKIDNEXT", "another"
    assert "AKIDNEXT" in signer.sign(KEYS[0], 60) != first


def test_without_credentials_nothing_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _, signer = of_bucket("imagegen-dev-bucket")
    with pytest.raises(botocore.exceptions.NoCredentialsError):
        signer.sign(KEYS[0], 60)
