"""Errors of the limits: 429 where waiting helps, with the seconds to wait, and 422 where it does not."""

from __future__ import annotations

from imagegen.service_error import ServiceError


class LimitReached(ServiceError):
    """Base of the 429s. `seconds` becomes Retry-After, at least 1."""

    status = 429

    def __init__(self, detail: str = "", *, seconds: int = 1, headers: dict[str, str] | None = None):
        super().__init__(detail, headers={"Retry-After": str(max(1, seconds))} | (headers or {}))


class RateLimited(LimitReached):
    """The tenant sends requests of this class faster than its limit."""

    code = "rate_limited"
    retryable = True
    usual_detail = "Too many requests. Wait as long as Retry-After says."


class QuotaExceeded(LimitReached):
    """The month's images or dollars do not cover the request. Not retryable: no run of a job lasts until next month."""

    code = "quota_exceeded"
    usual_detail = "The monthly quota is used up."


class QueueFull(LimitReached):
    """The tenant has as many unfinished jobs as it may. Retry-After is a guess: a job ends when it ends."""

    code = "queue_full"
    retryable = True
    usual_detail = "Too many jobs are not finished. Wait for one of them, or cancel one."


class RequestTooExpensive(ServiceError):
    """The request costs, or may cost, more than one request or a whole month may. Waiting does not help."""

    code = "request_too_expensive"
    status = 422
    caused_by_request = True
    usual_detail = "The request exceeds the limit of one request. Ask for fewer images or steps, or a smaller size."
