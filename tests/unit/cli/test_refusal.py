from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from urllib3 import HTTPHeaderDict

from imagegen_cli.exit_code import ExitCode
from imagegen_cli.refusal import backoff, refusal, repeat_after, retry_after
from imagegen_cli.transport import Response
from tests.support.api_server import example

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
FIELDS = example("out_of_range")


def response(status: int, body: object = b"", **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, HTTPHeaderDict({name.replace("_", "-"): value for name, value in headers.items()}), content)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7), ("0", 0), (" 3 ", 3), ("Thu, 26 Nov 2026 12:00:30 GMT", 30), ("Thu, 26 Nov 2026 11:00:00 GMT", 0),
        ("Thu, 26 Nov 2026 12:00:30 -0000", 30), ("", None), ("soon", None), ("-1", None), ("1.5", None),
        ("\u0663", None), ("9" * 400, 1e9),
        ("Thu, 99 Nov 2026 12:00:30 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(response(503, Retry_After=value), NOW) == seconds


def test_without_the_header_no_time_is_told() -> None:
    assert retry_after(response(503), NOW) is None


@pytest.mark.parametrize(
    ("status", "body", "headers", "seconds"),
    [
        (429, example("rate_limited"), {"retry_after": "5"}, 5), (429, example("rate_limited"), {}, None),
        (409, example("idempotency_in_progress"), {"retry_after": "2"}, 2),
        (409, example("idempotency_key_reuse"), {}, None),
        (503, example("overloaded"), {"retry_after": "9"}, 9), (503, example("model_unavailable"), {}, None),
        (504, example("generation_timeout"), {}, 2.0),
        (504, example("generation_timeout"), {"idempotency_replayed": "true"}, None),
        (502, b"<html>", {}, 2.0), (503, b"", {}, 2.0), (504, b"null", {}, 2.0),
        (500, example("internal_error"), {"retry_after": "1"}, None), (422, FIELDS, {"retry_after": "1"}, None),
        (500, b"<html>", {}, None), (404, b"<html>", {}, None),
    ],
)  # fmt: skip
def test_which_requests_are_repeated(status: int, body: Any, headers: dict[str, str], seconds: float | None) -> None:
    assert repeat_after(response(status, body, **headers), 3, NOW) == seconds


def test_the_wait_doubles_up_to_half_a_minute() -> None:
    assert [backoff(attempt) for attempt in (1, 2, 3, 6, 7, 50)] == [0.5, 1, 2, 16, 30, 30]


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [
        (400, ExitCode.REFUSED), (401, ExitCode.KEY_REFUSED), (403, ExitCode.KEY_REFUSED), (404, ExitCode.NOT_FOUND),
        (409, ExitCode.REFUSED), (410, ExitCode.NOT_FOUND), (413, ExitCode.REFUSED), (422, ExitCode.REFUSED),
        (429, ExitCode.THROTTLED), (500, ExitCode.SERVICE_FAILED), (503, ExitCode.SERVICE_FAILED),
        (599, ExitCode.SERVICE_FAILED), (301, ExitCode.SERVICE_FAILED), (200, ExitCode.SERVICE_FAILED),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [FIELDS, b"<html>"], ids=["problem", "html"])
def test_the_status_decides_the_exit_code(status: int, exit_code: ExitCode, body: Any) -> None:
    assert refusal(response(status, body)).exit_code is exit_code


def test_a_problem_is_shown_in_the_service_s_words_with_its_fields() -> None:
    (error,) = FIELDS["errors"]
    text = refusal(response(422, FIELDS)).text()
    assert text.splitlines() == [
        f"Error: 422 out_of_range: {FIELDS['detail']}",
        f"  {error['field']}: {error['message']} (out_of_range)",
        f"  request id {FIELDS['request_id']}",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"\xff", b"[]", b"null", b'{"message": "Forbidden"}', b'{"code": 1, "detail": "x"}',
        b'{"code": "x"}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_problem_document_is_said_to_be_none(body: bytes) -> None:
    failure = refusal(response(500, body, content_type="text/html; charset=utf-8", x_request_id="r-1"))
    assert failure.document() == {
        "exit_code": 7, "code": "not_json", "status": 500, "request_id": "r-1", "detail": failure.detail,
    }  # fmt: skip
    assert "text/html" in failure.detail


def test_damaged_field_errors_are_left_out() -> None:
    odd = FIELDS | {"errors": [1, {"field": "width"}, *FIELDS["errors"], None], "request_id": 5}
    assert refusal(response(422, odd)).problem["errors"] == FIELDS["errors"]
    assert refusal(response(422, FIELDS | {"errors": "many"})).problem["errors"] == []


def test_a_service_cannot_send_escape_sequences_to_the_terminal() -> None:
    text = refusal(response(422, FIELDS | {"detail": "a\x1b[2Jb\u202ec\r\x07"})).text()
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in text
    assert text.replace("\n", "").isprintable()
