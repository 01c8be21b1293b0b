"""What an error response means: which exit code, and when the request may be repeated."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.transport import Response

IN_PROGRESS: Final = "idempotency_in_progress"
"""The first request with the Idempotency-Key is still running."""
_EXIT_CODES: Final = {
    401: ExitCode.KEY_REFUSED,
    403: ExitCode.KEY_REFUSED,
    404: ExitCode.NOT_FOUND,
    410: ExitCode.NOT_FOUND,
    429: ExitCode.THROTTLED,
}
_GATEWAY_ERRORS: Final = {502, 503, 504}
_LONGEST_SECONDS: Final = 1e9
"""In effect never. Hundreds of digits would be infinity, which is no integer."""


def refusal(response: Response) -> Failure:
    """Return the failure of a response that is not 2xx: the service's problem document, or a proxy's page."""
    problem = _problem(response)
    if problem is not None:
        return Failure(_exit_code(response.status), str(problem.pop("detail")), problem)
    known = {"code": "not_json", "status": response.status, "request_id": response.headers.get("x-request-id")}
    return Failure(
        _exit_code(response.status),
        f"The response is {_content_type(response)}, not the API's JSON. Check the URL, or a proxy before it.",
        {name: value for name, value in known.items() if value is not None},
    )


def repeat_after(response: Response, attempt: int, now: datetime) -> float | None:
    """Return the seconds until the request may be repeated, or None if it must not be.

    A 503 of the service without Retry-After needs its owner. A replayed 504 is that of a job that has failed. After
    another 504, or a proxy's error, nothing is known: `attempt`, from 1, doubles the wait.
    """
    told = retry_after(response, now)
    if told is not None and (response.status in {409, 429, *_GATEWAY_ERRORS}):
        return told
    is_replayed = "idempotency-replayed" in response.headers
    is_lost = not is_replayed and (response.status == HTTPStatus.GATEWAY_TIMEOUT or _problem(response) is None)
    return backoff(attempt) if response.status in _GATEWAY_ERRORS and is_lost else None


def retry_after(response: Response, now: datetime) -> float | None:
    """Return the seconds in Retry-After, which may be a date (RFC 9110), or None without a valid one."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal() and value.isascii():
        return min(float(value), _LONGEST_SECONDS)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


def backoff(attempt: int) -> float:
    """Return 0.5 s after the first attempt, and twice as much after each further one, at most 30 s."""
    return float(min(30.0, 0.5 * 2 ** (attempt - 1)))


def _exit_code(status: int) -> ExitCode:
    is_refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return _EXIT_CODES.get(status, ExitCode.REFUSED if is_refused else ExitCode.SERVICE_FAILED)


def _problem(response: Response) -> dict[str, Any] | None:
    """The problem document, or None if this is something else. `errors` keeps only entries that can be shown."""
    try:
        document = response.json()
    except ValueError:
        return None
    match document:
        case {"code": str(code), "detail": str(detail)}:
            given = document.get("errors")
            errors = [each for each in given if _is_field_error(each)] if isinstance(given, list) else []
            shown = {"code": code, "status": response.status, "detail": detail, "errors": errors}
            named = ("request_id", "stage", "category")
            return shown | {name: document[name] for name in named if isinstance(document.get(name), str)}
    return None


def _is_field_error(entry: object) -> bool:
    match entry:
        case {"field": str(), "code": str(), "message": str()}:
            return True
    return False


def _content_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip() or "without a content type"
