from __future__ import annotations

import json

import pytest

from imagegen_cli.batch.entry import Entry, Totals, failed, may_pass, success
from imagegen_cli.documents import Result
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from tests.support.api_server import example

RESULT = Result.model_validate(example("result"))


def test_an_entry_is_one_line_and_can_be_read_again() -> None:
    refused = Failure(ExitCode.REFUSED, "a\nb", {"code": "out_of_range", "status": 422, "errors": [{"field": "seed"}]})
    for entry in (success(3, "key", RESULT, ["00003-7.png"]), failed(4, "key", refused)):
        assert entry.row().count(b"\n") == 1
        assert Entry.model_validate_json(entry.row()) == entry


def test_the_entry_of_a_line_with_images_has_its_receipt() -> None:
    assert json.loads(success(3, "key", RESULT, ["00003-7.png"]).row()) == {
        "line": 3, "idempotency_key": "key", "status": "succeeded", "id": RESULT.id, "files": ["00003-7.png"],
        "seed": 7, "images": 1, "seconds": 0.382, "usd": 8.885e-05, "cached": False, "warnings": [],
    }  # fmt: skip


def test_the_entry_of_a_line_without_images_says_why() -> None:
    problem = {"code": "out_of_range", "status": 422, "errors": [{"field": "seed"}], "request_id": "r-1"}
    failure = Failure(ExitCode.REFUSED, "seed: must be at most 4294967295", problem)
    assert json.loads(failed(4, "key", failure).row()) == {
        "line": 4, "idempotency_key": "key", "status": "failed", "retryable": False,
        "error": problem | {"detail": "seed: must be at most 4294967295"},
    }  # fmt: skip


def test_what_a_service_quotes_can_always_be_written() -> None:
    problem = {"code": "model_not_found", "status": 404, "errors": [{"field": "model", "message": "\ud800"}]}
    entry = failed(4, "key", Failure(ExitCode.NOT_FOUND, "There is no model '\ud800'.", problem))
    assert Entry.model_validate_json(entry.row()) == entry
    assert entry.error is not None
    assert (entry.error.detail, entry.error.errors[0]["message"]) == ("There is no model '?'.", "?")


@pytest.mark.parametrize(
    ("exit_code", "problem", "expected"),
    [
        (ExitCode.REFUSED, {"code": "out_of_range", "status": 422}, False),
        (ExitCode.REFUSED, {"code": "idempotency_in_progress", "status": 409}, True),
        (ExitCode.REFUSED, {"code": "EntityTooLarge", "status": 400}, False),
        (ExitCode.REFUSED, {"code": "AccessDenied", "status": 403}, True),
        (ExitCode.REFUSED, {"code": "RequestTimeout", "status": 400}, True),
        (ExitCode.REFUSED, {"code": "upload_refused", "status": 403}, True),
        (ExitCode.NOT_FOUND, {"code": "model_not_found", "status": 404}, False),
        (ExitCode.NOT_FOUND, {"code": "result_expired", "status": 410}, True),
        (ExitCode.NOT_FOUND, {"code": "not_json", "status": 404}, True),
        (ExitCode.KEY_REFUSED, {"code": "invalid_token", "status": 401}, True),
        (ExitCode.THROTTLED, {"code": "quota_exceeded", "status": 429}, True),
        (ExitCode.SERVICE_FAILED, {"code": "internal_error", "status": 500}, True),
        (ExitCode.SERVICE_FAILED, {"code": "generation_failed", "status": 500}, False),
        (ExitCode.SERVICE_FAILED, {"code": "generation_timeout", "status": 504}, True),
        (ExitCode.SERVICE_FAILED, {}, True),
        (ExitCode.SERVICE_FAILED, {"status": 403}, True),
        (ExitCode.SERVICE_FAILED, {"status": 404}, True),
        (ExitCode.JOB_FAILED, {"code": "generation_timeout", "status": 504}, False),
        (ExitCode.JOB_FAILED, {"code": "generation_invalid", "status": 500}, False),
        (ExitCode.JOB_FAILED, {"code": "image_invalid", "status": 422}, False),
        (ExitCode.JOB_FAILED, {"code": "storage_unavailable", "status": 503}, True),
        (ExitCode.JOB_CANCELLED, {}, False),
        (ExitCode.USAGE, {}, True),
        (ExitCode.UNREACHABLE, {}, True),
        (ExitCode.TIMEOUT, {}, True),
    ],
)
def test_the_next_run_repeats_what_the_request_did_not_cause(
    exit_code: ExitCode, problem: dict[str, object], expected: bool
) -> None:
    assert may_pass(Failure(exit_code, "no", problem)) is expected


def test_receipts_are_summed() -> None:
    two = RESULT.model_copy(update={"images": RESULT.images * 2, "cached": True})
    entries = [success(1, "a", RESULT, []), success(2, "b", two, []), failed(3, "c", Failure(ExitCode.REFUSED, "no"))]
    assert Totals.of(entries) == Totals(2, 1, images=3, seconds=0.764, usd=2 * 8.885e-05, cached=1)
