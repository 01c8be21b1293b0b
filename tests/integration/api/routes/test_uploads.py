"""POST /uploads, from the request to the picture that a later request finds."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import requests

from imagegen.access import tenant
from imagegen.errors import UploadNotFound
from imagegen.pictures.decode import decode
from imagegen.pictures.inspection import MAX_BYTES
from tests.support.expectations import outcome
from tests.support.job_handlers import JobHandlers, body
from tests.support.pictures import FORMATS, file, noise

ALICE = tenant.of_api_key("key-of-alice")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_caller_uploads_a_picture_of_each_format(handlers: JobHandlers, kind: str) -> None:
    response = handlers.call("POST", "/uploads", {"content_type": f"image/{kind.lower()}"})
    form = body(response)
    assert response["statusCode"] == 201
    sent = requests.post(form["url"], data=form["fields"], files={"file": file(noise(), kind)}, timeout=10)
    assert sent.ok
    uploads = handlers.world.container.uploads
    assert decode(uploads.fetch(ALICE, form["id"])).size == noise().size
    with pytest.raises(UploadNotFound):
        uploads.fetch("other", form["id"])


def test_the_answer_says_what_the_form_allows(handlers: JobHandlers) -> None:
    form = body(handlers.call("POST", "/uploads", {"content_type": "image/webp"}))
    assert (form["max_bytes"], form["fields"]["Content-Type"]) == (MAX_BYTES, "image/webp")
    assert form["fields"]["key"] == f"uploads/{ALICE}/{form['id']}"
    expires, usable = (datetime.fromisoformat(form[name]) for name in ("expires_at", "usable_until"))
    assert timedelta(hours=23, minutes=44) < usable - expires < timedelta(hours=23, minutes=46)


def test_each_request_is_another_upload(handlers: JobHandlers) -> None:
    request = {"content_type": "image/png"}
    assert (
        body(handlers.call("POST", "/uploads", request))["id"] != body(handlers.call("POST", "/uploads", request))["id"]
    )


@pytest.mark.parametrize("value", ["image/gif", "image/svg+xml", "IMAGE/PNG", "image/png; charset=utf-8", "", "*/*"])
def test_another_type_is_refused_and_the_allowed_ones_are_named(handlers: JobHandlers, value: str) -> None:
    response = handlers.call("POST", "/uploads", {"content_type": value})
    assert outcome(response) == (422, "out_of_range")
    (error,) = body(response)["errors"]
    assert error["field"] == "content_type"
    assert all(each in error["message"] for each in ("image/png", "image/jpeg", "image/webp"))
