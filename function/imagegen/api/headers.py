"""Request headers: Accept and Prefer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imagegen.api.problem import JSON
from imagegen.errors import NotAcceptable
from imagegen.problem_details import MEDIA_TYPE

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent


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


def preferences(event: APIGatewayProxyEvent) -> dict[str, str]:
    """Return the Prefer header's preferences in lower case; of two with the same name the first counts (RFC 7240)."""
    found: dict[str, str] = {}
    for preference in (event.headers.get("Prefer") or "").lower().split(","):
        name, _, value = preference.split(";")[0].partition("=")
        found.setdefault(name.strip(), value.strip().strip('"'))
    return found


def check_accept(event: APIGatewayProxyEvent) -> None:
    """Raise NotAcceptable unless the caller accepts JSON; the most specific range decides (RFC 9110, 12.5.1)."""
    specificity = {JSON: 2, MEDIA_TYPE: 2, "application/*": 1, "*/*": 0}
    accepted = []
    for choice in (event.headers.get("Accept") or "*/*").lower().split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media in specificity:
            accepted.append((specificity[media], _quality(parameters)))
    if not accepted or max(accepted)[1] == 0:
        raise NotAcceptable(f"This route responds with {JSON}. Accept it, or omit the Accept header.")


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
