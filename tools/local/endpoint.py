"""Address and credentials of a deployment, local or on AWS."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    base_url: str
    """Without a trailing slash."""
    api_key: str
    webhook_secret: str = ""
    """Signs the webhooks of the tenant that owns `api_key`; empty if unknown."""
