"""What a request proves its caller with: an API key, or a token of an issuer that the deployment trusts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from imagegen_cli.failure import usage

_VALUE: Final = re.compile(r"[!-~]{1,8192}")
"""API Gateway accepts 10,240 bytes of headers."""


class Kind(StrEnum):
    """The names are those in the file of profiles."""

    API_KEY = "api_key"
    TOKEN = "token"  # noqa: S105

    @property
    def words(self) -> str:
        """Return the name for people."""
        return "API key" if self is Kind.API_KEY else "token"


@dataclass(frozen=True)
class Credential:
    """Never shown: not in its representation, nor in a failure."""

    kind: Kind
    value: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Return the header that a deployment of any version reads: before there were tokens, keys had x-api-key."""
        if self.kind is Kind.API_KEY:
            return {"x-api-key": self.value}
        return {"authorization": f"Bearer {self.value}"}


def api_key(value: str) -> Credential:
    """Return the credential of a key of the deployment."""
    return Credential(Kind.API_KEY, value)


def token(value: str) -> Credential:
    """Return the credential of a JWT."""
    return Credential(Kind.TOKEN, value)


def require_sendable(credential: Credential, source: str) -> None:
    """Raises Failure (usage) that names `source` for what no header can have."""
    if not _VALUE.fullmatch(credential.value):
        words = credential.kind.words
        raise usage(f"{source}: the {words} is not 1 to 8,192 printable ASCII characters without spaces.")
