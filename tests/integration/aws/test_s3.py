"""The image store contract, against the in-memory fake and S3, so that the fake cannot drift."""

from __future__ import annotations

import urllib.parse
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from imagegen.aws.s3 import S3ImageStore
from imagegen.errors import StorageUnavailable
from imagegen.generation.ports import ImageStore
from tests.support.fakes import FAR_AWAY, MemoryStore

KEY = "images/local/0123/demo-7.png"


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest, bucket: str) -> ImageStore:
    return MemoryStore() if request.param == "memory" else S3ImageStore(bucket, 3600, 7)


def put(store: ImageStore, body: bytes, *, overwrite: bool = False) -> str:
    return store.put(KEY, body, "image/png", warnings=["careful: Ünïcode"], overwrite=overwrite).sha256


def test_a_missing_object_is_none(store: ImageStore) -> None:
    assert store.find(KEY) is None


def test_a_stored_object_is_found(store: ImageStore) -> None:
    put(store, b"first")
    found = store.find(KEY)
    assert found is not None
    assert (found.key, found.bytes, found.warnings) == (KEY, 5, ("careful: Ünïcode",))
    assert found.sha256 == "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"


def test_an_object_is_written_once(store: ImageStore) -> None:
    first = put(store, b"first")
    assert put(store, b"second") == first
    assert store.find(KEY) == store.put(KEY, b"third", "image/png", warnings=[], overwrite=False)


def test_overwrite_replaces_an_object(store: ImageStore) -> None:
    first = put(store, b"first")
    second = put(store, b"second", overwrite=True)
    found = store.find(KEY)
    assert found is not None
    assert found.sha256 == second != first


def test_objects_have_a_content_type_and_a_body(bucket: str) -> None:
    put(S3ImageStore(bucket, 3600, 7), b"first")
    stored = boto3.client("s3").get_object(Bucket=bucket, Key=KEY)
    assert (stored["ContentType"], stored["Body"].read()) == ("image/png", b"first")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-3"])
def test_a_url_uses_the_region_of_the_bucket(bucket: str, monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    host = urllib.parse.urlsplit(S3ImageStore(bucket, 600, 7).sign(KEY, FAR_AWAY).url).hostname
    assert host in (f"{bucket}.s3.{region}.amazonaws.com", f"{bucket}.s3.amazonaws.com")
    assert (host == f"{bucket}.s3.amazonaws.com") <= (region == "us-east-1")


def head(last_modified: datetime) -> dict[str, Any]:
    metadata = {"sha256": "theirs", "warnings": "[]"}
    return {"ContentLength": 3, "LastModified": last_modified, "Metadata": metadata}


def test_an_object_about_to_expire_counts_as_missing_and_is_rewritten(bucket: str) -> None:
    store, old = S3ImageStore(bucket, 600, 7), datetime.now(UTC) - timedelta(days=7) + timedelta(seconds=300)
    with Stubber(store._client) as stubber:
        stubber.add_response("head_object", head(old))
        assert store.find(KEY) is None
        stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stubber.add_response("head_object", head(old))
        stubber.add_response("put_object", {})
        assert put(store, b"first") != "theirs"
        stubber.assert_no_pending_responses()


def test_an_image_is_kept_for_the_configured_days(bucket: str) -> None:
    store = S3ImageStore(bucket, 600, 7)
    stored = store.put(KEY, b"first", "image/png", warnings=[], overwrite=False)
    found = store.find(KEY)
    assert found is not None
    for kept_until in (stored.kept_until, found.kept_until):
        assert timedelta(days=7, seconds=-60) < kept_until - datetime.now(UTC) <= timedelta(days=7)


def test_a_conflicting_write_is_retried(bucket: str) -> None:
    store = S3ImageStore(bucket, 600, 7)
    with Stubber(store._client) as stubber:
        stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stubber.add_response("head_object", head(datetime.now(UTC)))
        assert put(store, b"first") == "theirs"
        stubber.assert_no_pending_responses()


def test_an_object_about_to_expire_is_rewritten_after_conflicts_too(bucket: str) -> None:
    store, old = S3ImageStore(bucket, 600, 7), datetime.now(UTC) - timedelta(days=7) + timedelta(seconds=300)
    with Stubber(store._client) as stubber:
        for _ in range(2):
            stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stubber.add_response("head_object", head(old))
        stubber.add_response("put_object", {})
        assert put(store, b"first") == "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"
        stubber.assert_no_pending_responses()


def test_a_url_expires_when_it_says(bucket: str) -> None:
    signed = S3ImageStore(bucket, 600, 7).sign(KEY, FAR_AWAY)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(signed.url).query)
    assert query["X-Amz-Expires"] == ["600"]
    assert timedelta(seconds=595) < signed.expires_at - datetime.now(UTC) <= timedelta(seconds=600)


def test_a_url_never_outlives_its_image(bucket: str) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=100)
    assert S3ImageStore(bucket, 600, 7).sign(KEY, until).expires_at == until


def test_a_url_never_outlives_credentials_whose_expiry_is_known(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1000)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", ends.isoformat())
    signed = S3ImageStore(bucket, 3600, 7).sign(KEY, FAR_AWAY)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(signed.url).query)
    assert 0 < int(query["X-Amz-Expires"][0]) <= 1000
    assert signed.expires_at == ends


def test_lambdas_credentials_do_not_say_when_they_expire(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.delenv("AWS_CREDENTIAL_EXPIRATION", raising=False)
    signed = S3ImageStore(bucket, 600, 7).sign(KEY, FAR_AWAY)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(signed.url).query)
    assert (query["X-Amz-Security-Token"], query["X-Amz-Expires"]) == (["token"], ["600"])


@pytest.mark.usefixtures("bucket")
def test_an_error_does_not_name_the_bucket() -> None:
    store = S3ImageStore("another-bucket", 3600, 7)
    with pytest.raises(StorageUnavailable) as caught:
        put(store, b"first")
    assert caught.value.retryable
    assert "another-bucket" not in str(caught.value.problem(request_id=""))
