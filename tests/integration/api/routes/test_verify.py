"""POST /verify, from the form to the verdict, with the real parser and the reference reader."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from imagegen.limits.quota import Quota
from imagegen.limits.rate_limit import RatePolicy
from imagegen.limits.tenant_limits import TenantLimits
from imagegen.provenance.manifest import MediaType
from tests.support.credentials import DEMO, authority, credentials, pictures, with_a_pixel_changed
from tests.support.expectations import outcome
from tests.support.forms import BOUNDARY, form
from tests.support.job_handlers import JobHandlers, body, header
from tools.local.signing_certificate import ORGANIZATION

PICTURES = pictures()


@pytest.fixture(scope="module")
def signed() -> dict[MediaType, bytes]:
    signing = credentials()
    return {media_type: signing.sign(data, media_type, DEMO) for media_type, data in PICTURES.items()}


def trust(handlers: JobHandlers, pem: bytes) -> None:
    """As an owner names the authorities that the deployment trusts."""
    bucket = handlers.world.container.settings.bucket_name
    boto3.client("s3").put_object(Bucket=bucket, Key="provenance/trust-anchors.pem", Body=pem)


def verify(handlers: JobHandlers, data: bytes) -> dict[str, Any]:
    sent, headers = form(data)
    return handlers.call("POST", "/verify", sent, headers=headers)


def result(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["statusCode"] == 200, answer["body"]
    (found,) = body(answer)["results"]
    assert found.pop("type") == "c2pa"
    return dict(found)


NOTHING = {"issuer": None, "model": None, "generated_at": None}


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_signed_picture_is_trusted_where_its_authority_is(
    handlers: JobHandlers, signed: dict[MediaType, bytes], media_type: MediaType
) -> None:
    trust(handlers, authority().pem)
    before = int(time.time())
    answer = verify(handlers, signed[media_type])
    assert body(answer)["object"] == "content_provenance_check"
    assert before <= body(answer)["created_at"] <= time.time()
    found = result(answer)
    assert found.pop("generated_at").endswith("Z")
    assert found == {"outcome": "detected", "validation_state": "trusted", "issuer": ORGANIZATION, "model": "demo"}


def test_without_authorities_nothing_is_trusted(handlers: JobHandlers, signed: dict[MediaType, bytes]) -> None:
    """The development certificate of this stack least of all."""
    assert {result(verify(handlers, data))["validation_state"] for data in signed.values()} == {"valid"}


def test_a_changed_pixel_is_invalid(handlers: JobHandlers, signed: dict[MediaType, bytes]) -> None:
    for data in signed.values():
        found = result(verify(handlers, with_a_pixel_changed(data)))
        assert found == {"outcome": "detected", "validation_state": "invalid", **NOTHING}


def test_a_picture_without_credentials_has_none(handlers: JobHandlers) -> None:
    for data in PICTURES.values():
        found = result(verify(handlers, data))
        assert found == {"outcome": "not_detected", "validation_state": "not_present", **NOTHING}


def test_authorities_that_are_no_certificates_are_an_error_of_the_service(
    handlers: JobHandlers, signed: dict[MediaType, bytes]
) -> None:
    """Neither is the picture invalid, nor may it be called valid only because the list is damaged."""
    damaged = (b"\xff\x00 not PEM", b"# a list\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for pem in damaged:
        trust(handlers, pem)
        assert outcome(verify(handlers, signed["image/png"])) == (503, "provenance_unavailable")
    trust(handlers, b"# Tests\n" + authority().pem)
    assert result(verify(handlers, signed["image/png"]))["validation_state"] == "trusted"


def test_a_check_counts_as_a_submission(handlers: JobHandlers) -> None:
    handlers.world.limits = TenantLimits({"submitting": RatePolicy("submitting", 0.5, 1)}, Quota())
    answer = verify(handlers, PICTURES["image/png"])
    assert header(answer, "RateLimit-Policy") == '"submitting";q=1;w=2'
    assert outcome(verify(handlers, PICTURES["image/png"])) == (429, "rate_limited")


def test_a_check_is_logged_without_the_picture(
    handlers: JobHandlers, printed: Callable[[], str], signed: dict[MediaType, bytes]
) -> None:
    verify(handlers, signed["image/png"])
    log = printed()
    assert '"validation_state":"valid"' in log.replace('": "', '":"')
    assert ORGANIZATION not in log


# -- forms that are refused --------------------------------------------------------------------------------------------

PNG = PICTURES["image/png"]
PART = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' % BOUNDARY.encode()
END = b"\r\n--%s--\r\n" % BOUNDARY.encode()
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.mark.parametrize(
    ("sent", "content_type", "expected"),
    [
        (b"", MULTIPART, (400, "malformed_form")),
        (PNG, MULTIPART, (400, "malformed_form")),
        (PART + PNG, MULTIPART, (400, "malformed_form")),
        (PART + PNG + b"\r\n--" + BOUNDARY.encode(), MULTIPART, (400, "malformed_form")),
        (PART.replace(b"form-data", b"attachment") + PNG + END, MULTIPART, (400, "malformed_form")),
        (PART.replace(b'name="file"; ', b"") + PNG + END, MULTIPART, (400, "malformed_form")),
        (b"".join([(PART + b"x\r\n") * 40, END]), MULTIPART, (400, "malformed_form")),
        (PART + PNG + END, "multipart/form-data", (400, "malformed_form")),
        (PART + PNG + END, 'multipart/form-data; boundary=""', (400, "malformed_form")),
        (PART + PNG + END, "multipart/form-data; boundary=another", (400, "malformed_form")),
        (PART + PNG + END, "multipart/mixed; boundary=" + BOUNDARY, (415, "unsupported_media_type")),
        (PNG, "image/png", (415, "unsupported_media_type")),
        (b'{"file": "x"}', "application/json", (415, "unsupported_media_type")),
        (b"file=x", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
        (PNG, "", (415, "unsupported_media_type")),
        (END.removeprefix(b"\r\n"), MULTIPART, (422, "missing_field")),
        (PART + END, MULTIPART, (422, "image_invalid")),
        (PART + b"hello" + END, MULTIPART, (422, "image_invalid")),
        (PART + PNG[:60] + END, MULTIPART, (422, "image_invalid")),
        (PART + b"GIF89a" + END, MULTIPART, (415, "image_format_unsupported")),
        (PART + bytes(4_500_000) + END, MULTIPART, (413, "payload_too_large")),
    ],
)
def test_a_form_that_is_no_form_or_has_no_picture_is_refused(
    handlers: JobHandlers, sent: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    answer = handlers.call("POST", "/verify", sent, headers={"Content-Type": content_type})
    assert outcome(answer) == expected
    if expected[0] == 422:
        assert [each["field"] for each in body(answer)["errors"]] == ["file"]


def test_other_fields_and_several_files_are_refused(handlers: JobHandlers) -> None:
    several, headers = form(PNG, PNG)
    assert outcome(handlers.call("POST", "/verify", several, headers=headers)) == (422, "out_of_range")
    other, headers = form(PNG, name="image")
    answer = handlers.call("POST", "/verify", other, headers=headers)
    assert outcome(answer) == (422, "unknown_field")
    assert [each["field"] for each in body(answer)["errors"]] == ["image"]


def test_a_compressed_form_is_refused(handlers: JobHandlers) -> None:
    sent, headers = form(PNG)
    answer = handlers.call("POST", "/verify", sent, headers=headers | {"Content-Encoding": "gzip"})
    assert outcome(answer) == (415, "unsupported_media_type")


def test_forms_of_other_clients_are_read(handlers: JobHandlers, signed: dict[MediaType, bytes]) -> None:
    """curl quotes no boundary and adds a type; browsers and SDKs quote names and send long boundaries."""
    data = signed["image/jpeg"]
    boundary = "------------------------d74496d66958873e"
    part = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="Bild \u00e4.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    sent = part + data + f"\r\n--{boundary}--\r\n".encode()
    for content_type in (f"multipart/form-data; boundary={boundary}", f'Multipart/Form-Data; boundary="{boundary}"'):
        answer = handlers.call("POST", "/verify", sent, headers={"Content-Type": content_type})
        assert result(answer)["validation_state"] == "valid"
