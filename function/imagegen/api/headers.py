"""Request headers: Accept and Prefer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from imagegen.api.problem import JSON
from imagegen.errors import NotAcceptable
from imagegen.problem_details import MEDIA_TYPE

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

_QUOTED: Final = r'"(?:\\.|[^"\\])*"'
_LIST_ITEM: Final = re.compile(rf'(?:{_QUOTED}|[^",])+')
"""An element of a comma-separated list; a comma in a quoted string does not end it (RFC 9110, 5.6.1)."""
_PREFERENCE: Final = re.compile(rf"\s*([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*({_QUOTED}|[^\s;]*))?\s*(?:;.*)?")
"""A name, an optional value, and parameters that no preference here has (RFC 7240, 2)."""

_TRACE_ROOT: Final = re.compile("Root=(1-[0-9a-f]{8}-[0-9a-f]{24})")
"""Version 1, epoch seconds and 96 random bits, in hexadecimal (AWS X-Ray, "Tracing header")."""


def header_lines(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values of each header line by lower-case name.

    API Gateway keeps only the last line of a repeated header in `headers`, and all of them in `multiValueHeaders`.
    """
    lines: dict[str, list[str]] = {}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        lines.setdefault(name.lower(), []).extend(values or [])
    for name, value in (event.get("headers") or {}).items():
        if value is not None:
            lines.setdefault(name.lower(), [value])
    return lines


def trace_id(event: Mapping[str, Any]) -> str | None:
    """Return the X-Ray trace of the request: the `Root` of `X-Amzn-Trace-Id`, which API Gateway adds and passes on.

    The header may be the caller's. What has not exactly one valid trace has none.
    """
    fields = [field.strip() for line in header_lines(event).get("x-amzn-trace-id", []) for field in line.split(";")]
    roots = {root[1] for field in fields if (root := _TRACE_ROOT.fullmatch(field))}
    return roots.pop() if len(roots) == 1 else None


def preferences(event: APIGatewayProxyEvent) -> dict[str, str]:
    """Return the Prefer header's preferences in lower case, without quotes; a malformed one is ignored.

    Of two with the same name the first counts, and an empty value is none (RFC 7240, 2).
    """
    found: dict[str, str] = {}
    for item in _LIST_ITEM.findall((event.headers.get("Prefer") or "").lower()):
        preference = _PREFERENCE.fullmatch(item)
        if preference:
            found.setdefault(preference[1], (preference[2] or "").strip('"'))
    return found


def prefers_async(event: APIGatewayProxyEvent) -> bool:
    """Return whether the caller prefers a job to a result (RFC 7240, 4.1)."""
    return preferences(event).get("respond-async") == ""


def preferred_wait(event: APIGatewayProxyEvent) -> float | None:
    """Return how many seconds the caller prefers to wait (RFC 7240, 4.3), or None without a valid preference."""
    seconds = preferences(event).get("wait", "")
    return float(seconds) if seconds.isascii() and seconds.isdecimal() else None


def check_accept(event: APIGatewayProxyEvent) -> None:
    """Raise NotAcceptable unless the caller accepts JSON; the most specific range decides (RFC 9110, 12.5.1)."""
    if json_weight(event) == 0:
        raise NotAcceptable(f"This route responds with {JSON}. Accept it, or omit the Accept header.")


def json_weight(event: APIGatewayProxyEvent) -> float:
    """Return how much the caller wants JSON, 0 to 1. A caller that accepts only problem documents gets JSON, too."""
    specificity = {JSON: 2, MEDIA_TYPE: 2, "application/*": 1, "*/*": 0}
    accepted = [(specificity[media], weight) for media, weight in media_ranges(event) if media in specificity]
    return max(accepted)[1] if accepted else 0.0


def media_ranges(event: APIGatewayProxyEvent) -> Iterator[tuple[str, float]]:
    """Yield each media range of the Accept header in lower case, without parameters, and its weight."""
    for choice in (event.headers.get("Accept") or "*/*").lower().split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        yield media, _quality(parameters)


def _quality(parameters: Sequence[str]) -> float:
    """Return the weight of a media range: 1 if absent, 0 if it is not a number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
