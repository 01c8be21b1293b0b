"""Signing secrets and signatures as specified by Standard Webhooks 1.0."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

SECRET_BYTES: Final = 32
"""Of a new secret."""
_LENGTHS: Final = range(24, 64 + 1)
"""Of a secret in bytes, by Standard Webhooks."""
_PREFIX: Final = "whsec_"


@dataclass(frozen=True)
class SigningSecrets:
    """A tenant's secrets, newest first: one, or two while receivers switch to a new one."""

    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the secrets in `text`, as `str` writes them. Raises ValueError, which does not quote the text."""
        values = tuple(text.split())
        if len(values) not in (1, 2) or not all(map(_is_secret, values)):
            raise ValueError(
                f"expected one or two secrets of the form {_PREFIX}<base64 of 24 to 64 bytes>, the newest first"
            )
        return cls(values)

    @classmethod
    def new(cls) -> Self:
        """Return one new random secret."""
        return cls((f"{_PREFIX}{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}",))

    def __str__(self) -> str:
        return " ".join(self.values)

    def rotated(self) -> SigningSecrets:
        """Return a new secret followed by the newest old one; an older one is dropped."""
        return SigningSecrets((*self.new().values, self.values[0]))

    def retired(self) -> SigningSecrets:
        """Return only the newest secret."""
        return SigningSecrets(self.values[:1])

    def headers(self, webhook_id: str, sent_at: datetime, body: str) -> dict[str, str]:
        """Return the Standard Webhooks headers, with one signature per secret. `sent_at` is in UTC."""
        from standardwebhooks import Webhook  # which no container image has, and which new secrets do not need

        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": " ".join(Webhook(each).sign(webhook_id, sent_at, body) for each in self.values),
        }


def _is_secret(text: str) -> bool:
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:  # not base64, with wrong padding, or not ASCII
        return False
    return text.startswith(_PREFIX) and len(key) in _LENGTHS
