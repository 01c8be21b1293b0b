"""Errors of jobs and of the Idempotency-Keys that create them."""

from __future__ import annotations

from collections.abc import Mapping

from imagegen.errors.request import BadSyntax, NotFound
from imagegen.problem_details import FieldError
from imagegen.service_error import ServiceError


class JobNotFound(NotFound):
    """Unknown, malformed, expired or another tenant's: the response is the same, so that it reveals nothing."""

    code = "job_not_found"
    usual_detail = "No job has this id. It may have expired or been deleted."


class IdempotencyKeyInvalid(BadSyntax):
    """The Idempotency-Key is not 1 to 255 printable ASCII characters."""

    code = "idempotency_key_invalid"
    field = "Idempotency-Key"
    usual_detail = "The idempotency key must be a string of 1 to 255 printable ASCII characters."


class IdempotencyInProgress(ServiceError):
    """The first request with the same Idempotency-Key is still running."""

    code = "idempotency_in_progress"
    field = "Idempotency-Key"
    status = 409
    retryable = True
    retry_after = 2
    usual_detail = "The first request with this Idempotency-Key is still running. Retry in a few seconds."


class IdempotencyKeyReuse(ServiceError):
    """The Idempotency-Key was used before, with another request or on another route."""

    code = "idempotency_key_reuse"
    field = "Idempotency-Key"
    status = 422
    usual_detail = "The Idempotency-Key was used with another request or route. Use a new key."


class JobAlreadyFinal(ServiceError):
    """The job has finished, so its state cannot change."""

    code = "job_already_final"
    status = 409


class JobNotFinal(ServiceError):
    """Only a finished job can be deleted."""

    code = "job_not_final"
    status = 409
    usual_detail = "The job has not finished. Cancel it first."


class ResultExpired(ServiceError):
    """The job's images, or the job that an Idempotency-Key created, no longer exist."""

    code = "result_expired"
    status = 410


class JobFailed(ServiceError):
    """A failed job's error, raised again with the job's code and status for a caller that waits for the result."""

    code = "job_failed"

    def __init__(
        self,
        code: str,
        status: int,
        detail: str,
        *,
        field: str | None = None,
        headers: dict[str, str],
        members: Mapping[str, str] | None = None,
    ):
        errors = [] if field is None else [FieldError(field, code, detail)]
        super().__init__(detail, errors=errors, headers=headers)
        self._code = code
        self._members = members or {}
        self.status = status  # type: ignore[misc]

    @property
    def public_code(self) -> str:
        """The code that the job failed with."""
        return self._code

    @property
    def members(self) -> Mapping[str, str]:
        """Those of the job's error."""
        return self._members
