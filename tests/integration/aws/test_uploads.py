"""Uploads in S3: what their forms allow, and who gets them back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import boto3
import pytest
import requests
from botocore.response import StreamingBody
from botocore.stub import Stubber

from imagegen.aws.uploads import S3Uploads
from imagegen.errors import ImageTooLarge, StorageUnavailable, UploadNotFound
from imagegen.pictures.decode import decode
from imagegen.pictures.inspection import MAX_BYTES
from imagegen.pictures.ports import UploadForm
from imagegen.pictures.uploads import FORM_EXPIRES, KEPT, new_id, object_key
from tests.support.pictures import file, noise
from tests.support.post_policy import ACCEPTED, DENIED, answer

PNG = file(noise(), "PNG")


@pytest.fixture
def uploads(bucket: str) -> S3Uploads:
    return S3Uploads(bucket)


def send(form: UploadForm, data: bytes) -> None:
    """Send the form as a browser does."""
    requests.post(form.url, data=dict(form.fields), files={"file": data}, timeout=10).raise_for_status()


def test_what_is_uploaded_can_be_fetched_and_decoded(uploads: S3Uploads) -> None:
    form = uploads.form("acme", "image/png")
    send(form, PNG)
    assert decode(uploads.fetch("acme", form.upload_id)).tobytes() == noise().tobytes()


def test_the_form_is_for_one_key_of_the_tenant(uploads: S3Uploads) -> None:
    before = datetime.now(UTC).replace(microsecond=0)  # `expires_at` has whole seconds
    first, second = uploads.form("acme", "image/png"), uploads.form("acme", "image/png")
    assert first.upload_id != second.upload_id
    assert first.fields["key"] == f"uploads/acme/{first.upload_id}"
    assert before <= first.expires_at - FORM_EXPIRES <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("changes", "length", "expected"),
    [
        ({}, 1, ACCEPTED),
        ({}, MAX_BYTES, ACCEPTED),
        ({}, MAX_BYTES + 1, (400, "EntityTooLarge")),
        ({}, 0, (400, "EntityTooSmall")),
        ({"Content-Type": "image/jpeg"}, 9, DENIED),
        ({"Content-Type": "image/png; charset=utf-8"}, 9, DENIED),
        ({"Content-Type": None}, 9, DENIED),
        ({"key": "uploads/other/upload_01KAJ9X2S4QZ8W3V5N7M6K1H0G"}, 9, DENIED),
        ({"key": "images/acme/picture.png"}, 9, DENIED),
        ({"acl": "public-read"}, 9, DENIED),
        ({"x-amz-meta-note": "mine"}, 9, DENIED),
        ({"success_action_redirect": "https://example.com/"}, 9, DENIED),
    ],
)
def test_s3_accepts_exactly_what_the_policy_says(
    uploads: S3Uploads, bucket: str, changes: Mapping[str, str | None], length: int, expected: object
) -> None:
    fields = {**uploads.form("acme", "image/png").fields, **changes}
    sent = {name: value for name, value in fields.items() if value is not None}
    assert answer(sent, length, datetime.now(UTC), bucket) == expected


def test_the_form_expires_and_is_for_one_bucket(uploads: S3Uploads, bucket: str) -> None:
    """Not before it says, and later only by the time that signing it took."""
    form = uploads.form("acme", "image/png")
    made = datetime.now(UTC)
    assert answer(form.fields, 9, form.expires_at - timedelta(microseconds=1), bucket) == ACCEPTED
    assert answer(form.fields, 9, made + FORM_EXPIRES, bucket) == DENIED
    assert answer(form.fields, 9, datetime.now(UTC), "another-bucket") == DENIED


def not_found(uploads: S3Uploads, tenant: str, upload_id: str) -> dict[str, Any]:
    """Return the error's document."""
    with pytest.raises(UploadNotFound) as raised:
        uploads.fetch(tenant, upload_id)
    return raised.value.problem(request_id="r")


def test_unknown_malformed_foreign_and_expired_uploads_look_the_same(uploads: S3Uploads) -> None:
    form = uploads.form("acme", "image/png")
    send(form, PNG)
    documents = [
        not_found(uploads, tenant, upload_id)
        for tenant, upload_id in (
            *(("acme", each) for each in ("", "x", new_id(), form.upload_id.lower(), f"../acme/{form.upload_id}")),
            ("other", form.upload_id),
            ("other", f"../acme/{form.upload_id}"),
        )
    ]
    with Stubber(uploads._client) as stubber:
        stubber.add_response("get_object", stored(PNG, datetime.now(UTC) - KEPT))
        documents.append(not_found(uploads, "acme", form.upload_id))
    assert all(each == documents[0] for each in documents)
    assert (documents[0]["status"], documents[0]["code"]) == (404, "upload_not_found")


def stored(body: bytes, modified: datetime, length: int | None = None) -> dict[str, Any]:
    """Return S3's response for an object."""
    return {
        "Body": StreamingBody(BytesIO(body), len(body)),
        "ContentLength": len(body) if length is None else length,
        "LastModified": modified,
    }


def test_an_upload_can_be_used_for_a_day(uploads: S3Uploads) -> None:
    with Stubber(uploads._client) as stubber:
        stubber.add_response("get_object", stored(PNG, datetime.now(UTC) - KEPT + timedelta(hours=1)))
        assert uploads.fetch("acme", new_id()) == PNG


def test_the_length_is_checked_again_before_the_object_is_read(uploads: S3Uploads, bucket: str) -> None:
    upload_id = new_id()
    boto3.client("s3").put_object(Bucket=bucket, Key=object_key("acme", upload_id), Body=b"\0" * (MAX_BYTES + 1))
    with pytest.raises(ImageTooLarge, match=f"has {MAX_BYTES + 1} bytes and must have at most {MAX_BYTES}"):
        uploads.fetch("acme", upload_id)


def test_a_store_that_fails_is_not_a_missing_upload(uploads: S3Uploads) -> None:
    with Stubber(uploads._client) as stubber:
        stubber.add_client_error("get_object", "AccessDenied", http_status_code=403)
        with pytest.raises(StorageUnavailable):
            uploads.fetch("acme", new_id())
        stubber.add_response(
            "get_object", stored(PNG[:10], datetime.now(UTC)) | {"Body": StreamingBody(BytesIO(PNG), 999)}
        )
        with pytest.raises(StorageUnavailable):  # the body breaks off
            uploads.fetch("acme", new_id())
