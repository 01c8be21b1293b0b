"""Every error of the service, with `code`, `status` and `retryable`. Never distinguish errors by their text.

The API responds with `status`, a worker retries what is `retryable`, metrics count `code`. docs/api.md lists the codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from imagegen.problem_details import FieldError
from imagegen.service_error import ServiceError as ServiceError  # noqa: PLC0414  # re-exported: it is one of them


class InternalError(ServiceError):
    """A fault of the service that no other class describes."""

    retryable = True
    usual_detail = "The service failed. Its log has the cause under this request or job id."


class BadSyntax(ServiceError):
    """The request cannot be parsed."""

    status = 400


class UnsupportedEvent(BadSyntax):
    """The function was invoked with an event of a kind that it does not handle."""

    code = "unsupported_event"


class MalformedJson(BadSyntax):
    """Not JSON, not UTF-8, empty, NaN or Infinity."""

    code = "malformed_json"


class BodyNotObject(BadSyntax):
    """Valid JSON, but not an object."""

    code = "body_not_object"
    usual_detail = "The body must be a JSON object."


class JsonTooDeep(BadSyntax):
    """Too many levels of nesting."""

    code = "json_too_deep"


class DuplicateKey(BadSyntax):
    """The same key twice in one JSON object, or the same query parameter twice."""

    code = "duplicate_key"


class NumberOutOfRange(BadSyntax):
    """A number that a double cannot represent, or an integer with too many digits."""

    code = "number_out_of_range"


class InvalidCredentials(ServiceError):
    """The request has no valid credential. Callers cannot tell the reasons apart; `private` has it for the log."""

    code = "invalid_token"
    status = 401
    usual_detail = (
        "The credentials are missing or invalid. Send exactly one, as `Authorization: Bearer` with an API key or a "
        "token, or as `x-api-key` with an API key."
    )

    def __init__(self, private: str = ""):
        # Every 401 needs a challenge (RFC 9110, 11.6.1).
        headers = {"WWW-Authenticate": 'Bearer realm="imagegen", ApiKey realm="imagegen"'}
        super().__init__(headers=headers, private=private)


class ForbiddenScope(ServiceError):
    """The caller is known, but its roles do not allow this."""

    code = "forbidden_scope"
    status = 403


class NotFound(ServiceError):
    """The resource does not exist, or belongs to another tenant."""

    status = 404


class RouteNotFound(NotFound):
    """No route has this path."""

    code = "route_not_found"
    usual_detail = "There is no such route."


class ModelNotFound(NotFound):
    """The deployment does not offer this model."""

    code = "model_not_found"
    field = "model"


class JobNotFound(NotFound):
    """Unknown, malformed, expired or another tenant's: the response is the same, so that it reveals nothing."""

    code = "job_not_found"
    usual_detail = "No job has this id. It may have expired or been deleted."


class TenantNotFound(NotFound):
    """An operator named a tenant that does not exist."""

    code = "tenant_not_found"
    field = "tenant"
    usual_detail = "No tenant has this id. POST /keys creates one with its first key."


class KeyNotFound(NotFound):
    """Unknown, malformed or another tenant's: the response is the same, so that it reveals nothing."""

    code = "key_not_found"
    usual_detail = "The tenant has no key with this id."


class InvalidCursor(BadSyntax):
    """A cursor that the same list did not return to this caller."""

    code = "invalid_cursor"
    field = "cursor"
    usual_detail = "cursor must be one that the previous page returned. Omit it to get the first page."


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


class KeyEnded(ServiceError):
    """An API key that was rotated or revoked cannot be rotated again."""

    code = "key_ended"
    status = 409
    usual_detail = "The key was rotated or revoked. GET /keys lists the keys that are valid; POST /keys creates one."


class ResultExpired(ServiceError):
    """The job's images, or the job that an Idempotency-Key created, no longer exist."""

    code = "result_expired"
    status = 410


class MethodNotAllowed(ServiceError):
    """The path exists, but not with this method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: Sequence[str]):
        methods = ", ".join(allowed)
        super().__init__(f"This path does not support the method. Use one of {methods}.", headers={"Allow": methods})


class NotAcceptable(ServiceError):
    """The Accept header excludes every media type of the route."""

    code = "not_acceptable"
    field = "Accept"
    status = 406


class PayloadTooLarge(ServiceError):
    """The body exceeds the route's limit."""

    code = "payload_too_large"
    status = 413


class UnsupportedMediaType(ServiceError):
    """The body is not plain UTF-8 JSON."""

    code = "unsupported_media_type"
    field = "Content-Type"
    status = 415


class InvalidRequest(ServiceError):
    """Valid JSON that is not a valid request. The problem document's code is that of the first invalid field."""

    code = "invalid_request"
    status = 422
    most: ClassVar[int] = 20  # errors listed. A body of 1 MB can contain 100,000; a Lambda response is at most 6 MB

    def __init__(self, errors: Sequence[FieldError], found: int | None = None):
        first, more = errors[0], f" ({found - 1} more)" if (found := found or len(errors)) > 1 else ""
        super().__init__(f"{first.field}: {first.message}{more}", errors=errors[: self.most])

    @property
    def public_code(self) -> str:
        """The first invalid field's code."""
        return self.errors[0].code


class WebhookSecretMissing(ServiceError):
    """A webhook could not be signed, because the caller's tenant has no signing secret."""

    code = "webhook_secret_missing"
    field = "webhook"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            "A webhook cannot be signed, because your tenant has no signing secret. The deployment's owner creates it "
            "with `make webhook-secret TENANT=...`; GET /me has the tenant."
        )


class ModelUnavailable(ServiceError):
    """The model's files are missing, corrupt or too large. Only the deployment's owner can repair it."""

    code = "model_unavailable"
    status = 503

    @classmethod
    def because(cls, path: object, reason: str) -> ModelUnavailable:
        """Return an error whose `path` and `reason` go only to the log."""
        return cls("The model cannot be loaded. The deployment's log has the cause.", private=f"{path} {reason}")


class GenerationFailed(ServiceError):
    """The engine cannot generate this request. The same request fails again, another one may not."""

    code = "generation_failed"
    caused_by_request = True
    usual_detail = (
        "The engine cannot generate this request. The deployment's log has the cause. Try another scheduler, size or "
        "number of steps."
    )


class GenerationInvalid(ServiceError):
    """The result is no picture: values that are not finite, or one color. It is neither stored nor billed."""

    code = "generation_invalid"
    caused_by_request = True
    usual_detail = (
        "The networks did not return a picture. The same request fails again: try another seed, scheduler, size or "
        "number of steps."
    )


class StorageUnavailable(ServiceError):
    """An AWS service that stores images, jobs, messages or secrets failed or did not respond."""

    code = "storage_unavailable"
    status = 503
    retryable = True
    retry_after = 5


class AuthUnavailable(ServiceError):
    """A credential cannot be verified, because the issuer's keys cannot be fetched."""

    code = "auth_unavailable"
    status = 503
    retryable = True
    retry_after = 30
    usual_detail = "The credentials cannot be verified at the moment. Try again."

    def __init__(self, retry_after_s: int | None = None, private: str = ""):
        headers = None if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        super().__init__(headers=headers, private=private)


class GenerationTimeout(ServiceError):
    """Not enough time left to start or to finish."""

    code = "generation_timeout"
    status = 504
    retryable = True
    caused_by_request = True


class GenerationTooLong(GenerationTimeout):
    """Several runs of a job did not fit within the function's timeout."""

    retryable = False
    usual_detail = "The generation exceeds the longest run. Request fewer steps, fewer images or a smaller size."


class JobFailed(ServiceError):
    """A failed job's error, raised again with the job's code and status for a caller that waits for the result."""

    code = "job_failed"

    def __init__(self, code: str, status: int, detail: str, *, headers: dict[str, str]):
        super().__init__(detail, headers=headers)
        self._code = code
        self.status = status  # type: ignore[misc]

    @property
    def public_code(self) -> str:
        """The code that the job failed with."""
        return self._code
