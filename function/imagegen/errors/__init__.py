"""Every error of the service, with `code`, `status` and `retryable`. Never distinguish errors by their text.

The API responds with `status`, a worker retries what is `retryable`, metrics count `code`. docs/api.md lists the codes.
"""

from __future__ import annotations

from imagegen.errors.access import (
    AuthUnavailable,
    ForbiddenScope,
    InvalidCredentials,
    KeyEnded,
    KeyNotFound,
    TenantNotFound,
)
from imagegen.errors.jobs import (
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReuse,
    JobAlreadyFinal,
    JobFailed,
    JobNotFinal,
    JobNotFound,
    ResultExpired,
)
from imagegen.errors.limits import (
    LimitReached,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    RequestTooExpensive,
)
from imagegen.errors.request import (
    BadSyntax,
    BodyNotObject,
    DuplicateKey,
    InvalidCursor,
    InvalidRequest,
    JsonTooDeep,
    MalformedJson,
    MethodNotAllowed,
    ModelNotFound,
    NotAcceptable,
    NotFound,
    NumberOutOfRange,
    PayloadTooLarge,
    RouteNotFound,
    UnsupportedEvent,
    UnsupportedMediaType,
    WebhookSecretMissing,
)
from imagegen.errors.service import (
    GenerationFailed,
    GenerationInvalid,
    GenerationTimeout,
    GenerationTooLong,
    InternalError,
    ModelUnavailable,
    StorageUnavailable,
)
from imagegen.service_error import ServiceError

__all__ = [
    "AuthUnavailable",
    "BadSyntax",
    "BodyNotObject",
    "DuplicateKey",
    "ForbiddenScope",
    "GenerationFailed",
    "GenerationInvalid",
    "GenerationTimeout",
    "GenerationTooLong",
    "IdempotencyInProgress",
    "IdempotencyKeyInvalid",
    "IdempotencyKeyReuse",
    "InternalError",
    "InvalidCredentials",
    "InvalidCursor",
    "InvalidRequest",
    "JobAlreadyFinal",
    "JobFailed",
    "JobNotFinal",
    "JobNotFound",
    "JsonTooDeep",
    "KeyEnded",
    "KeyNotFound",
    "LimitReached",
    "MalformedJson",
    "MethodNotAllowed",
    "ModelNotFound",
    "ModelUnavailable",
    "NotAcceptable",
    "NotFound",
    "NumberOutOfRange",
    "PayloadTooLarge",
    "QueueFull",
    "QuotaExceeded",
    "RateLimited",
    "RequestTooExpensive",
    "ResultExpired",
    "RouteNotFound",
    "ServiceError",
    "StorageUnavailable",
    "TenantNotFound",
    "UnsupportedEvent",
    "UnsupportedMediaType",
    "WebhookSecretMissing",
]
