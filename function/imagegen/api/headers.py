"""Request headers: Accept and Prefer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imagegen.api.problem import JSON, PROBLEM
from imagegen.errors import NotAcceptable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent


def preferences(event: APIGatewayProxyEvent) -> dict[str, str]:
    """Return the Prefer header's preferences in lower case; of two with the same name the first counts (RFC 7240)."""
    found: dict[str, str] = {}
    for preference in (event.headers.get("Prefer") or "").lower().split(","):
        name, _, value = preference.split(";")[0].partition("=")
        found.setdefault(name.strip(), value.strip().strip('"'))
    return found


def check_accept(event: APIGatewayProxyEvent) -> None:
    """Raise NotAcceptable unless the caller accepts JSON; the most specific range decides (RFC 9110, 12.5.1)."""
    specificity = {JSON: 2, PROBLEM: 2, "application/*": 1, "*/*": 0}
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
