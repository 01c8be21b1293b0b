"""Where a deployment answers, whoever deployed it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """The API's base URL without a trailing slash, a key it takes, and the secret that signs its holder's webhooks."""

    base_url: str
    api_key: str
    webhook_secret: str = ""
