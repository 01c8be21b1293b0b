"""The image store contract, against the in-memory fake and S3, so that the fake cannot drift."""

from __future__ import annotations

import json
import threading
import urllib.parse
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from imagegen.aws.s3 import S3ImageStore
from imagegen.errors import StorageUnavailable
from imagegen.generation.ports import ImageStore, StoredImage
from tests.support.fakes import FAR_AWAY, MemoryStore

FOLDER = "images/local/0123"
KEY, ENTRY = f"{FOLDER}/a7937b64b8caa58f/demo-7.png", f"{FOLDER}/entry.json"
WARNINGS = ["careful: Ünïcode"]


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest, bucket: str) -> ImageStore:
    return MemoryStore() if request.param == "memory" else S3ImageStore(bucket, 3600, 7)


def put(store: ImageStore, body: bytes = b"first", key: str = KEY) -> StoredImage:
    return store.put(key, body, "image/png", pixels_sha256="0" * 64, warnings=WARNINGS)


def test_a_missing_entry_is_none(store: ImageStore) -> None:
    assert store.find(ENTRY) is None


def test_an_entry_returns_its_images(store: ImageStore) -> None:
    images = [put(store), put(store, b"second", f"{FOLDER}/16367aacb67a4a01/demo-8.png")]
    store.remember(ENTRY, images, replace=False)
    assert store.find(ENTRY) == images
    assert (images[0].key, images[0].bytes, images[0].warnings) == (KEY, 5, tuple(WARNINGS))
    assert images[0].sha256 == "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"


def test_an_entry_is_written_once_unless_it_is_replaced(store: ImageStore) -> None:
    first, second = [put(store)], [put(store, b"second", f"{FOLDER}/16367aacb67a4a01/demo-7.png")]
    store.remember(ENTRY, first, replace=False)
    store.remember(ENTRY, second, replace=False)
    assert store.find(ENTRY) == first
    store.remember(ENTRY, second, replace=True)
    assert store.find(ENTRY) == second


def test_objects_have_a_content_type_a_name_and_a_body(bucket: str) -> None:
    put(S3ImageStore(bucket, 3600, 7))
    stored = boto3.client("s3").get_object(Bucket=bucket, Key=KEY)
    assert (stored["ContentType"], stored["Body"].read()) == ("image/png", b"first")
    assert stored["ContentDisposition"] == 'inline; filename="demo-7.png"'


def test_an_image_can_be_read(store: ImageStore) -> None:
    assert store.read(put(store).key) == b"first"


def test_a_look_up_is_one_request_for_all_images(bucket: str) -> None:
    store, operations = S3ImageStore(bucket, 3600, 7), list[str]()
    images = [put(store, key=f"{FOLDER}/a7937b64b8caa58f/demo-{index}.png") for index in range(8)]
    store.remember(ENTRY, images, replace=False)
    store._client.meta.events.register("before-call.s3", lambda model, **_: operations.append(model.name))
    assert store.find(ENTRY) == images
    assert operations == ["GetObject"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'[{"key": 1}]', b"\xff"])
def test_an_entry_that_this_version_cannot_read_counts_as_missing_and_is_replaced(bucket: str, body: bytes) -> None:
    store = S3ImageStore(bucket, 3600, 7)
    boto3.client("s3").put_object(Bucket=bucket, Key=ENTRY, Body=body)
    assert store.find(ENTRY) is None
    store.remember(ENTRY, [put(store)], replace=False)
    assert store.find(ENTRY)


def test_an_entry_with_fields_of_a_newer_version_is_read(bucket: str) -> None:
    store = S3ImageStore(bucket, 3600, 7)
    images = [put(store)]
    store.remember(ENTRY, images, replace=False)
    (document,) = json.loads(boto3.client("s3").get_object(Bucket=bucket, Key=ENTRY)["Body"].read())
    newer = json.dumps([document | {"new": 1}])
    boto3.client("s3").put_object(Bucket=bucket, Key=ENTRY, Body=newer)
    assert store.find(ENTRY) == images


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-3"])
def test_a_url_uses_the_region_of_the_bucket(bucket: str, monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    host = urllib.parse.urlsplit(S3ImageStore(bucket, 600, 7).sign(KEY, FAR_AWAY).url).hostname
    assert host in (f"{bucket}.s3.{region}.amazonaws.com", f"{bucket}.s3.amazonaws.com")
    assert (host == f"{bucket}.s3.amazonaws.com") <= (region == "us-east-1")


def entry_of(stored_at: datetime) -> dict[str, Any]:
    """The response to GetObject for an entry whose image was stored then."""
    image = {"key": KEY, "bytes": 3, "sha256": "theirs", "stored_at": stored_at.isoformat(), "warnings": []}
    body = json.dumps([image | {"kept_until": FAR_AWAY.isoformat()}]).encode()
    return {"Body": StreamingBody(BytesIO(body), len(body))}


EXPIRING = timedelta(days=7) - timedelta(seconds=300)


@pytest.mark.parametrize("conflicts", [0, 2])
def test_an_entry_whose_image_is_about_to_expire_counts_as_missing_and_is_replaced(bucket: str, conflicts: int) -> None:
    store, old = S3ImageStore(bucket, 600, 7), datetime.now(UTC) - EXPIRING
    with Stubber(store._client) as stubber:
        stubber.add_response("get_object", entry_of(old))
        assert store.find(ENTRY) is None
        for _ in range(conflicts):
            stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stubber.add_response("get_object", entry_of(old))
        stubber.add_response("put_object", {})
        store.remember(ENTRY, [], replace=False)
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize("days", [1, 30])
def test_an_entry_follows_a_change_of_the_days_that_images_are_kept(bucket: str, days: int) -> None:
    before, after = S3ImageStore(bucket, 600, 7), S3ImageStore(bucket, 600, days)
    before.remember(ENTRY, [put(before)], replace=False)
    found = after.find(ENTRY)
    assert found
    assert found[0].kept_until == found[0].stored_at + timedelta(days=days)


def test_an_image_is_kept_for_the_configured_days(bucket: str) -> None:
    before = datetime.now(UTC)
    stored = put(S3ImageStore(bucket, 600, 7))
    assert before <= stored.stored_at <= datetime.now(UTC)
    assert stored.kept_until == stored.stored_at + timedelta(days=7)


def test_an_entry_of_a_concurrent_write_is_kept_after_a_conflict(bucket: str) -> None:
    store = S3ImageStore(bucket, 600, 7)
    with Stubber(store._client) as stubber:
        stubber.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
        stubber.add_response("get_object", entry_of(datetime.now(UTC)))
        store.remember(ENTRY, [], replace=False)
        stubber.assert_no_pending_responses()


def test_a_url_expires_when_it_says(bucket: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)  # `expires_at` has whole seconds
    signed = S3ImageStore(bucket, 600, 7).sign(KEY, FAR_AWAY)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(signed.url).query)
    assert query["X-Amz-Expires"] == ["600"]
    assert before <= signed.expires_at - timedelta(seconds=600) <= datetime.now(UTC)


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
        put(store)
    assert caught.value.retryable
    assert "another-bucket" not in str(caught.value.problem(request_id=""))


class BreaksOff(BaseHTTPRequestHandler):
    """Responds 404 with a part of the body that it announces."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "400")
        self.end_headers()
        self.wfile.write(b"<Error><Code>NoSuchKey</Code>")

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


def test_an_error_response_that_breaks_off_means_that_storage_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore reads the body of an error in an operation that streams without translating urllib3's errors."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BreaksOff) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(StorageUnavailable) as caught:
            S3ImageStore("bucket", 3600, 7).find(ENTRY)
        server.shutdown()
    assert caught.value.retryable


class KeepsHeaders(BaseHTTPRequestHandler):
    """Accepts every object, and keeps the headers of the requests in its server."""

    protocol_version = "HTTP/1.1"  # which sends 100 Continue to a request that expects it

    def do_PUT(self) -> None:
        self.server.kept.append(self.headers)  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.mark.parametrize(("size", "expected"), [(0, None), (1, None), (2**21 - 1, None), (2**21, "100-continue")])
def test_a_small_object_is_sent_without_asking_first(
    monkeypatch: pytest.MonkeyPatch, size: int, expected: str | None
) -> None:
    """Asking costs a round trip for each image and each cache entry."""
    with ThreadingHTTPServer(("127.0.0.1", 0), KeepsHeaders) as server:
        server.kept = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        put(S3ImageStore("bucket", 3600, 7), bytes(size))
        server.shutdown()
        (headers,) = server.kept  # type: ignore[attr-defined]
    assert headers["Expect"] == expected
    assert headers["Content-Length"] == str(size)
