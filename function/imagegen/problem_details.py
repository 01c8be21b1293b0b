"""Problem details (RFC 9457), the body of every error response. API Gateway's own errors repeat it in template.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final

MEDIA_TYPE: Final = "application/problem+json"
MAX_FIELD: Final = 64
"""Characters of a field's name in an error: callers choose the names of unknown fields, of keys and of metadata."""
_RFC_9110: Final = {413: "Content Too Large", 422: "Unprocessable Content"}  # CPython 3.12 has the older names


@dataclass(frozen=True)
class FieldError:
    """One invalid part of a request; `field` is a dotted path such as `metadata.color`, a header or a parameter."""

    field: str
    code: str
    message: str


def reason_phrase(status: int) -> str:
    """Return the status code's name in RFC 9110, the same on every version of Python."""
    return _RFC_9110.get(status, HTTPStatus(status).phrase)


def document(code: str, status: int, detail: str, request_id: str, errors: Iterable[FieldError]) -> dict[str, Any]:
    """Return the problem document. Its instance is the request: a path is the same for every occurrence."""
    return {
        "type": f"urn:imagegen:error:{code}",
        "title": reason_phrase(status),
        "status": status,
        "detail": detail,
        "instance": f"urn:imagegen:request:{request_id}",
        "code": code,
        "request_id": request_id,
        "errors": [asdict(error) for error in errors],
    }
