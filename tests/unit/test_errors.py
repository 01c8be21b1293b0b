from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagegen import errors
from imagegen.errors import (
    InvalidRequest,
    LimitReached,
    MethodNotAllowed,
    ModelUnavailable,
    ServiceError,
)
from imagegen.jobs.job import JobError
from imagegen.problem_details import FieldError


def tree(root: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


LEAVES = [each for each in tree() if not each.__subclasses__()]


@pytest.mark.parametrize("error", LEAVES)
def test_a_job_knows_by_the_code_whether_its_request_caused_the_error(error: type[ServiceError]) -> None:
    """A base class without a code of its own, such as PictureError, says nothing about `internal_error`."""
    stored = JobError(code=error.code, status=error.status, detail="")
    assert stored.caused_by_request == error.caused_by_request


@pytest.mark.parametrize("error", LEAVES)
def test_every_error_has_a_unique_code_and_a_status(error: type[ServiceError]) -> None:
    assert error.status in {400, 401, 403, 404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 503, 504}
    assert [other for other in LEAVES if other.code == error.code] == [error]


def test_retryable_errors_have_retry_after() -> None:
    for error in LEAVES:
        if error.status in (429, 503) and error.retryable:
            assert "Retry-After" in error().headers
    assert "Retry-After" not in ModelUnavailable("gone").headers


def test_every_429_says_when_to_come_back() -> None:
    for error in LimitReached.__subclasses__():
        assert int(error().headers["Retry-After"]) >= 1
        assert error(seconds=90).headers["Retry-After"] == "90"


def test_a_problem_document_has_every_documented_member() -> None:
    error = InvalidRequest(
        [FieldError("seed", "wrong_type", "must be an integer"), FieldError("x", "unknown_field", "?")]
    )
    assert error.problem(request_id="r-1") == {
        "type": "urn:imagegen:error:wrong_type",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "seed: must be an integer (1 more)",
        "instance": "urn:imagegen:request:r-1",
        "code": "wrong_type",
        "request_id": "r-1",
        "errors": [
            {"field": "seed", "code": "wrong_type", "message": "must be an integer"},
            {"field": "x", "code": "unknown_field", "message": "?"},
        ],
    }


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("model_not_found", "model"), ("invalid_cursor", "cursor"), ("not_acceptable", "Accept"),
        ("unsupported_media_type", "Content-Type"), ("idempotency_key_invalid", "Idempotency-Key"),
        ("idempotency_key_reuse", "Idempotency-Key"), ("idempotency_in_progress", "Idempotency-Key"),
    ],
)  # fmt: skip
def test_an_error_about_one_part_of_the_request_names_it(code: str, field: str) -> None:
    (error,) = (each for each in LEAVES if each.code == code)
    problem = error("must be otherwise").problem(request_id="r")
    assert problem["errors"] == [{"field": field, "code": code, "message": "must be otherwise"}]
    named = [FieldError("other", code, "must differ")]
    assert error("must be otherwise", errors=named).errors == tuple(named)


def test_private_details_are_not_in_the_problem_document() -> None:
    error = ModelUnavailable.because("/opt/models/demo/unet", "is missing")
    assert "/opt/models" in error.private
    assert "/opt/models" not in str(error.problem(request_id=""))


def test_405_lists_the_allowed_methods() -> None:
    assert MethodNotAllowed(["POST", "OPTIONS"]).headers == {"Allow": "POST, OPTIONS"}


def test_every_error_is_defined_in_the_errors_package_and_is_one_of_its_names() -> None:
    defined = [each for each in tree() if each is not ServiceError]
    assert {each.__module__.rpartition(".")[0] for each in defined} == {errors.__name__}
    assert {each.__name__: each for each in tree()} == {name: getattr(errors, name) for name in errors.__all__}
