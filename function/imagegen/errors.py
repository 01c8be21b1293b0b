"""Everything that can go wrong, each with `code`, `status` and `retryable`; never told apart by text.

The API answers with `status`, a worker retries what is `retryable`, metrics count `code`. The codes are those of
docs/api.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, ClassVar


@dataclass(frozen=True)
class FieldError:
    """One field that is wrong; `field` is a dotted path such as `metadata.colour`."""

    field: str
    code: str
    message: str


class ServiceError(Exception):
    """The root of the tree.

    `detail` reaches the caller, `private` only the log; neither ever holds a prompt or a key.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after: ClassVar[int | None] = None
    """Seconds of the Retry-After header."""

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
        private: str = "",
    ):
        super().__init__(detail)
        self.detail = detail
        self.private = private
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        if self.retry_after is not None:
            self.headers.setdefault("Retry-After", str(self.retry_after))

    @property
    def public_code(self) -> str:
        return self.code

    def problem(self, *, instance: str, request_id: str) -> dict[str, Any]:
        """The error as a problem document (RFC 9457)."""
        return {
            "type": f"urn:imagegen:error:{self.public_code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.public_code,
            "request_id": request_id,
            "errors": [asdict(error) for error in self.errors],
        }


class InternalError(ServiceError):
    """A fault of ours that no class below names."""

    retryable = True

    def __init__(self) -> None:
        super().__init__("The service failed; its log names the cause under the request's id.")


class BadSyntax(ServiceError):
    """The body cannot be read as the one JSON object that was meant."""

    status = 400


class MalformedJson(BadSyntax):
    code = "malformed_json"


class BodyNotObject(BadSyntax):
    code = "body_not_object"


class JsonTooDeep(BadSyntax):
    code = "json_too_deep"


class DuplicateKey(BadSyntax):
    code = "duplicate_key"


class NumberOutOfRange(BadSyntax):
    code = "number_out_of_range"


class NotFound(ServiceError):
    status = 404


class RouteNotFound(NotFound):
    code = "route_not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class JobNotFound(NotFound):
    """Unknown, malformed, expired or another caller's: nobody can tell which."""

    code = "job_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such job.")


class InvalidCursor(BadSyntax):
    code = "invalid_cursor"


class IdempotencyKeyInvalid(BadSyntax):
    code = "idempotency_key_invalid"


class IdempotencyInProgress(ServiceError):
    code = "idempotency_in_progress"
    status = 409
    retryable = True
    retry_after = 2


class IdempotencyKeyReuse(ServiceError):
    code = "idempotency_key_reuse"
    status = 422


class JobAlreadyFinal(ServiceError):
    code = "job_already_final"
    status = 409


class JobNotFinal(ServiceError):
    """Only a finished job can be deleted."""

    code = "job_not_final"
    status = 409


class ResultExpired(ServiceError):
    code = "result_expired"
    status = 410


class MethodNotAllowed(ServiceError):
    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: Sequence[str]):
        methods = ", ".join(allowed)
        super().__init__(f"This route answers {methods}.", headers={"Allow": methods})


class NotAcceptable(ServiceError):
    code = "not_acceptable"
    status = 406


class PayloadTooLarge(ServiceError):
    code = "payload_too_large"
    status = 413


class UnsupportedMediaType(ServiceError):
    code = "unsupported_media_type"
    status = 415


class InvalidRequest(ServiceError):
    """Legal JSON that does not say a legal request. The document's code is the first wrong field's."""

    code = "invalid_request"
    status = 422

    most: ClassVar[int] = 20
    """Errors that are listed: a body of a megabyte can hold a hundred thousand, a Lambda answer only 6 MB."""

    def __init__(self, errors: Sequence[FieldError], found: int | None = None):
        first, others = errors[0], (found or len(errors)) - 1
        more = f" ({others} more)" if others else ""
        super().__init__(f"{first.field}: {first.message}{more}", errors=errors[: self.most])

    @property
    def public_code(self) -> str:
        return self.errors[0].code


class ModelUnavailable(ServiceError):
    """The model's files are missing, corrupt or too large: trying again does not help, a deployment does."""

    code = "model_unavailable"
    status = 503

    @classmethod
    def because(cls, path: object, reason: str) -> ModelUnavailable:
        """The caller learns that the model is down; the log learns which file and why."""
        return cls("The model cannot be loaded; the deployment's log names the file.", private=f"{path} {reason}")


class StorageUnavailable(ServiceError):
    code = "storage_unavailable"
    status = 503
    retryable = True
    retry_after = 5


class GenerationTimeout(ServiceError):
    """The time left does not suffice, or did not."""

    code = "generation_timeout"
    status = 504
    retryable = True


class GenerationTooLong(GenerationTimeout):
    """It did not fit into the longest time there is, several times."""

    retryable = False

    def __init__(self) -> None:
        super().__init__("It takes longer than a function may run; ask for fewer steps, images or pixels.")


class JobFailed(ServiceError):
    """The error that a job ended with, told to whoever asked for its result under the job's own code."""

    code = "job_failed"

    def __init__(self, code: str, status: int, detail: str, *, headers: dict[str, str]):
        super().__init__(detail, headers=headers)
        self._code = code
        self.status = status  # type: ignore[misc]

    @property
    def public_code(self) -> str:
        return self._code
