"""Conditional requests (RFC 9110, 13): a poll of a job that has not changed gets 304 without a body."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from imagegen.jobs.view import JobInfo

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

_ENTITY_TAG: Final = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
"""An entity tag with its opaque part (RFC 9110, 8.8.3)."""
_VOLATILE: Final[dict[str, Any]] = {
    "progress": {"eta_ms"},
    "result": {"image_url": True, "images": {"__all__": {"url", "expires_at"}}},
}


def entity_tag(info: JobInfo, now: datetime, url_seconds: int) -> str:
    """Return the weak entity tag of a job.

    What only the time changes does not change the tag: the estimate, and URLs, which every response signs again. But
    with a result the tag is a new one after half of `url_seconds`, for which URLs are valid, so that a caller that
    keeps getting 304 never has URLs that are about to expire.
    """
    content = info.model_dump_json(exclude=_VOLATILE)
    progress, period = info.progress, int(now.timestamp() // (url_seconds / 2))
    states = [content, progress is not None and progress.eta_ms is not None, info.result is not None and period]
    return f'W/"{hashlib.sha256(repr(states).encode()).hexdigest()[:32]}"'


def matches(event: APIGatewayProxyEvent, tag: str) -> bool:
    """Return whether If-None-Match names the tag, by weak comparison (RFC 9110, 13.1.2), or is *."""
    header = event.headers.get("If-None-Match") or ""
    return header.strip() == "*" or _opaque(tag) <= _opaque(header)


def _opaque(tags: str) -> set[str]:
    return set(_ENTITY_TAG.findall(tags))
