"""Every error code that a caller can see, with its status and an example.

The routes refer to the codes (`responses.py`); the document has the list as an enumeration (`schemas.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imagegen import errors
from imagegen.catalog.features import not_available
from imagegen.catalog.registry import REGISTRY
from imagegen.errors import InvalidRequest, ServiceError
from imagegen.problem_details import FieldError, document, reason_phrase

DEMO: Final = REGISTRY["demo"]
JSON_BODY: Final = (
    "malformed_json", "body_not_object", "json_too_deep", "duplicate_key", "number_out_of_range",
    "payload_too_large", "unsupported_media_type", "unknown_field",
)  # fmt: skip
"""Errors of every JSON body."""
PICTURES: Final = (
    "image_invalid", "image_too_large", "image_format_unsupported", "upload_not_found", "mask_empty",
    "mask_size_mismatch",
)  # fmt: skip
"""Errors of the pictures in a request for images."""
BODY: Final = (
    *JSON_BODY, *PICTURES, "not_acceptable",
    "missing_field", "wrong_type", "unknown_field", "out_of_range", "prompt_empty", "prompt_too_long", "invalid_text",
    "size_invalid", "unknown_scheduler", "feature_not_available", "url_not_allowed", "webhook_secret_missing",
    "model_not_found", "moderation_blocked", "moderation_unavailable",
)  # fmt: skip
"""Errors in the body of a request for images."""
IDEMPOTENCY: Final = ("idempotency_key_invalid", "idempotency_key_reuse", "result_expired")
"""Errors of a route that takes an Idempotency-Key."""
PUBLIC: Final = ("rate_limited", "internal_error", "overloaded", "generation_timeout")
"""Errors of every route: API Gateway throttles, and responds when a function does not."""
KEYED: Final = (
    *("invalid_token", "forbidden_scope", "auth_unavailable"),
    *("duplicate_key", "unknown_field", "storage_unavailable", *PUBLIC),
)
"""Errors of every route that needs a caller. It also rejects unknown and repeated query parameters, and counts the
request in the table."""
WORK: Final = ("quota_exceeded", "queue_full", "request_too_expensive")
"""Errors of a route that generates or submits: its quota does not allow it."""
OTHER: Final = ("route_not_found", "method_not_allowed", "unsupported_event")
"""Errors of no documented operation: of other paths, methods and sources of events."""


@dataclass(frozen=True)
class ErrorExample:
    """An error with one of its texts. `headers` are the names of the headers that come with it."""

    code: str
    status: int
    detail: str
    headers: tuple[str, ...] = ()
    fields: tuple[FieldError, ...] = ()
    members: Mapping[str, str] = field(default_factory=dict)


def _of(error: ServiceError) -> ErrorExample:
    return ErrorExample(
        error.public_code, error.status, error.detail, tuple(error.headers), error.errors, error.members
    )


def _field(field: str, code: str, message: str) -> ErrorExample:
    return _of(InvalidRequest([FieldError(field, code, message)]))


_EXAMPLES: Final[tuple[ErrorExample, ...]] = (
    _of(errors.MalformedJson("The body is not JSON: it ends too early (line 1, column 12).")),
    _of(errors.MalformedForm()),
    _of(errors.UnsupportedEvent("This function handles events of an SQS queue, and this event is something else.")),
    _of(errors.BodyNotObject()),
    _of(errors.JsonTooDeep("The body must have at most 16 levels of arrays and objects.")),
    _of(errors.DuplicateKey("An object has the same key twice. Each key must be unique.")),
    _of(errors.NumberOutOfRange("A number is too large for a 64-bit float.")),
    _of(errors.IdempotencyKeyInvalid()),
    _of(errors.InvalidCursor()),
    _of(errors.InvalidCredentials()),
    _of(errors.ForbiddenScope("This needs the scope images:write, which your credential does not have.")),
    _of(errors.RouteNotFound()),
    _of(errors.ModelNotFound("model must be one of demo.")),
    _of(errors.JobNotFound()),
    _of(errors.TenantNotFound()),
    _of(errors.KeyNotFound()),
    _of(errors.MethodNotAllowed(["POST", "OPTIONS"])),
    _of(errors.NotAcceptable("This route responds with application/json. Accept it, or omit the Accept header.")),
    _of(errors.JobAlreadyFinal("The job's status is already final: succeeded.")),
    _of(errors.JobNotFinal()),
    _of(errors.KeyEnded()),
    _of(errors.IdempotencyInProgress()),
    _of(errors.ResultExpired("The job's images have expired. Send the request again to generate them.")),
    _of(
        errors.PayloadTooLarge(
            "The body has 4600000 bytes and must have at most 4500000 (4.5 MB), a picture of 3.3 MB. Send a larger "
            "picture with POST /uploads, and its id here."
        )
    ),
    _of(errors.ResponseTooLarge("A png of 2048 x 2048 pixels may have 12,690,591 bytes, and a response has ...")),
    _of(errors.UnsupportedMediaType("The body must be application/json in UTF-8, without Content-Encoding.")),
    _of(errors.IdempotencyKeyReuse()),
    _field("prompt", "missing_field", "is required and must be a string of 1 to 2000 characters: what the image shows"),
    _field("seed", "wrong_type", "must be an integer from 0 to 4294967295; leave seed out for a random seed"),
    _field("colour", "unknown_field", "is not a field of this request; the fields are prompt, negative_prompt, ..."),
    _field("num_inference_steps", "out_of_range", f"must be from 1 to {DEMO.limits.max_steps} for the model demo"),
    _field("prompt", "prompt_empty", "must not be empty or blank"),
    _field("prompt", "prompt_too_long", "must have at most 2000 characters"),
    _field("prompt", "invalid_text", "contains the character U+0007"),
    _field(
        "width",
        "size_invalid",
        f"must be a multiple of 8 from {DEMO.limits.min_size} to {DEMO.limits.max_size} for the model demo",
    ),
    _field("scheduler", "unknown_scheduler", f"must be one of {', '.join(DEMO.schedulers)} for the model demo"),
    _field("upscale", "feature_not_available", not_available("upscale")),
    _field("webhook.url", "url_not_allowed", "must have a public host"),
    _of(errors.WebhookSecretMissing()),
    _of(errors.UploadNotFound()),
    _of(errors.ImageFormatUnsupported("The picture is a HEIC file. Send it as PNG, JPEG or WebP.")),
    _of(errors.ImageInvalid()),
    _of(
        errors.ImageTooLarge(
            "The picture has 8064 x 6048 pixels. It must have at most 12250000 pixels and no side above 16384. Scale "
            "it down: models draw much smaller ones."
        )
    ),
    _of(errors.MaskEmpty()),
    _of(
        errors.MaskSizeMismatch(
            "The mask has 512 x 512 pixels and the image 640 x 480, both upright. Send a mask of the image's size."
        )
    ),
    _of(errors.ModerationBlocked("prompt", "gore")),
    _of(errors.ModerationUnavailable()),
    _of(errors.RequestTooExpensive()),
    _of(errors.RateLimited()),
    _of(errors.QuotaExceeded("The monthly quota is used up: 0 of 500 images are left, 1 are needed.")),
    _of(errors.QueueFull()),
    _of(errors.InternalError()),
    _of(errors.GenerationFailed()),
    _of(errors.GenerationInvalid()),
    _of(errors.ModelUnavailable("The model cannot be loaded. The deployment's log has the cause.")),
    _of(errors.StorageUnavailable("DynamoDB is throttled. Try again in a few seconds.")),
    _of(errors.DeliveryUnavailable()),
    ErrorExample("overloaded", 503, "The service is busy. Try again.", headers=("Retry-After",)),
    _of(errors.AuthUnavailable()),
    _of(errors.ProvenanceUnavailable()),
    _of(errors.GenerationTimeout("The response took longer than the gateway's timeout.")),
)

ERRORS: Final[dict[str, ErrorExample]] = {error.code: error for error in _EXAMPLES}
"""An example of each error by its code."""


def examples() -> dict[str, Any]:
    """Return the OpenAPI examples of the documented operations' problem documents, by code."""
    return {
        code: {"summary": f"{error.status} {reason_phrase(error.status)}", "value": _problem(error)}
        for code, error in ERRORS.items()
        if code not in OTHER
    }


def _problem(error: ErrorExample) -> dict[str, Any]:
    problem = document(error.code, error.status, error.detail, "c6af9ac6-7b61-11e6-9a41-93e800000000", error.fields)
    return problem | dict(error.members)
