"""Errors of callers who are unknown or may not do this."""

from __future__ import annotations

from imagegen.errors.request import NotFound
from imagegen.service_error import ServiceError


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


class TenantNotFound(NotFound):
    """An operator named a tenant that does not exist."""

    code = "tenant_not_found"
    field = "tenant"
    usual_detail = "No tenant has this id. POST /keys creates one with its first key."


class KeyNotFound(NotFound):
    """Unknown, malformed or another tenant's: the response is the same, so that it reveals nothing."""

    code = "key_not_found"
    usual_detail = "The tenant has no key with this id."


class KeyEnded(ServiceError):
    """An API key that was rotated or revoked cannot be rotated again."""

    code = "key_ended"
    status = 409
    usual_detail = "The key was rotated or revoked. GET /keys lists the keys that are valid; POST /keys creates one."
