"""Errors of requests that are malformed, invalid or addressed to what does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from imagegen.problem_details import FieldError
from imagegen.service_error import ServiceError


class BadSyntax(ServiceError):
    """The request cannot be parsed."""

    status = 400


class UnsupportedEvent(BadSyntax):
    """The function was invoked with an event of a kind that it does not handle."""

    code = "unsupported_event"


class MalformedForm(BadSyntax):
    """Not multipart/form-data as its Content-Type describes it."""

    code = "malformed_form"
    usual_detail = "The body is not multipart/form-data with the boundary of its Content-Type, or it breaks off."


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


class InvalidCursor(BadSyntax):
    """A cursor that the same list did not return to this caller."""

    code = "invalid_cursor"
    field = "cursor"
    usual_detail = "cursor must be one that the previous page returned. Omit it to get the first page."


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


class ResponseTooLarge(ServiceError):
    """The picture may exceed what a Lambda function can return."""

    code = "response_too_large"
    field = "Accept"
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
