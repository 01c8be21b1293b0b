"""Cross-origin requests (Fetch, 3.2).

A preflight gets every request header that it asks for. The API uses no cookies, so a header grants nothing that a
program outside a browser does not have, and browsers add headers that no list can foresee: trace context, an SDK's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from aws_lambda_powertools.event_handler import CORSConfig

REQUEST_HEADERS: Final = ("Content-Type", "Authorization", "X-Api-Key", "Idempotency-Key", "Prefer")
EXPOSED_HEADERS: Final = (
    *("X-Request-Id", "Retry-After", "Location", "Idempotency-Replayed", "Preference-Applied", "Allow", "ETag"),
    *("WWW-Authenticate", "RateLimit", "RateLimit-Policy"),
    *("Content-Disposition", "Image-Id", "Image-Seed", "Image-Cost-Usd", "Image-Cached", "Image-Warnings"),
)
"""What scripts may read of a response. API Gateway's own errors have the same list (template.yaml)."""
MAX_AGE_S: Final = 7200
"""Seconds that a browser may reuse a preflight; Chromium's maximum."""
MAX_REQUESTED: Final = 100
"""Request headers of one preflight."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
"""A header name (RFC 9110, 5.6.2)."""


def cors_config(allowed_origins: Sequence[str]) -> CORSConfig:
    """Return the configuration for Powertools, which answers preflights and compares origins."""
    return CORSConfig(
        allow_origin=allowed_origins[0],
        extra_origins=list(allowed_origins[1:]),
        allow_headers=list(REQUEST_HEADERS),
        expose_headers=list(EXPOSED_HEADERS),
        max_age=MAX_AGE_S,
    )


def preflight_headers(request: Mapping[str, Sequence[str]], response: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the headers that a preflight's response has in addition, which allow the requested headers.

    Empty if the origin is not allowed: Powertools then adds no CORS header.
    """
    always = response.get("Access-Control-Allow-Headers")
    if not always:
        return {}
    requested = ",".join(request.get("access-control-request-headers", [])).split(",", MAX_REQUESTED)[:MAX_REQUESTED]
    allowed = {name.lower(): name for name in [*always[0].split(","), *map(str.strip, requested)]}
    return {"Access-Control-Allow-Headers": ",".join(filter(_TOKEN.fullmatch, allowed.values()))}
