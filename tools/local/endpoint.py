"""Address and credentials of a deployment, local or on AWS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

PROBE_AGENT: Final = "imagegen-probe"
"""User-Agent of the tools' own requests, which ask only whether a stack answers. The access log leaves them out."""


@dataclass(frozen=True)
class Endpoint:
    """Where the API answers, and the keys to use it."""

    base_url: str
    """Without a trailing slash."""
    api_key: str
    webhook_secret: str = ""
    """Signs the webhooks of the tenant that owns `api_key`; empty if unknown."""


def deployed_endpoint() -> Endpoint | None:
    """Return the deployment at BASE_URL with API_KEY, or None if BASE_URL is not set. Raises KeyError for API_KEY."""
    if "BASE_URL" not in os.environ:
        return None
    return Endpoint(os.environ["BASE_URL"].rstrip("/"), os.environ["API_KEY"])
