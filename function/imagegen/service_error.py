"""What every error of the service has: `code`, `status`, `retryable`, and what the caller and the log learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from imagegen import problem_details
from imagegen.problem_details import FieldError


class ServiceError(Exception):
    """Base class. `detail` goes to the caller, `private` only to the log; neither ever contains a prompt or a key."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    retry_after: ClassVar[int | None] = None  # seconds of the Retry-After header
    usual_detail: ClassVar[str] = ""  # if the place that raises it adds nothing
    field: ClassVar[str | None] = None  # the only field, header or parameter that this error is about
    caused_by_request: ClassVar[bool] = False  # whether a valid request causes it, so that repeating it fails again

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
        private: str = "",
    ):
        self.detail = detail or self.usual_detail
        super().__init__(self.detail)
        self.private = private
        own = () if self.field is None else (FieldError(self.field, self.code, self.detail),)
        self.errors = tuple(errors) or own
        retry_after = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        self.headers = retry_after | (headers or {})

    @property
    def public_code(self) -> str:
        """The code that the caller sees."""
        return self.code

    @property
    def members(self) -> Mapping[str, str]:
        """Further members of the problem document, which only this error has (RFC 9457, 3.2)."""
        return {}

    def problem(self, *, request_id: str) -> dict[str, Any]:
        """Return the error as a problem document."""
        document = problem_details.document(self.public_code, self.status, self.detail, request_id, self.errors)
        return document | dict(self.members)
