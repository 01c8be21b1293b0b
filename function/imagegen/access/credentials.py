"""The one credential of a request, from its header lines and query. Pure.

Covered: a key or token in two places, in two lines, in the query, too long, or of another scheme is an error, so that a
proxy and this service cannot take different ones. Every error is InvalidCredentials, and its `private` has the reason.
Not covered: a key of API Gateway in the query, under another name: such a key has no recognizable form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from imagegen.access import api_key
from imagegen.errors import InvalidCredentials

MAX_TOKEN_LENGTH: Final = 8192
"""Characters. API Gateway accepts 10,240 bytes for all headers together."""

_QUERY_NAMES: Final = {
    "access_token", "api-key", "api_key", "apikey", "auth", "authorization", "bearer", "id_token", "jwt", "key",
    "token", "x-api-key", "x_api_key",
}  # fmt: skip
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
"""RFC 6750, 2.1, whose scheme is case-insensitive by RFC 9110."""
_JWS: Final = re.compile(r"[\w-]+\.[\w-]*\.[\w-]*", re.ASCII)
_OUR_OWN: Final = re.compile(rf"{api_key.FORM.pattern}|eyJ{_JWS.pattern}", re.ASCII)
"""What is a credential wherever it stands: a key of ours, or a JWT, whose header is a JSON object in base64."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Credential:
    """An API key or a JWT, as sent. Its value never appears in its `repr`."""

    kind: Literal["api_key", "token"]
    value: str = field(repr=False)


def credential(headers: Iterable[Pair], query: Iterable[Pair]) -> Credential:
    """Return the credential in `x-api-key` or `Authorization: Bearer`, which accepts a key, too.

    `headers` has a pair of name and value for every line, `query` for every parameter. Raises InvalidCredentials.
    """
    if any(_is_credential(name, value) for name, value in query):
        raise InvalidCredentials(private="credential_in_query")
    named = [(name.strip().lower(), value.strip(" \t")) for name, value in headers]
    lines = [(name, value) for name, value in named if name in ("authorization", "x-api-key")]
    if len(lines) != 1:
        raise InvalidCredentials(private="several_credentials" if lines else "no_credential")
    ((name, value),) = lines
    return _key(value) if name == "x-api-key" else _bearer(value)


def _is_credential(name: str, value: str) -> bool:
    return name.strip().lower() in _QUERY_NAMES or any(_OUR_OWN.search(each) for each in (name, value))


def _key(value: str) -> Credential:
    if len(value) > api_key.MAX_LENGTH:
        raise InvalidCredentials(private="oversized")
    return Credential("api_key", value)


def _bearer(value: str) -> Credential:
    if len(value) > len("Bearer ") + MAX_TOKEN_LENGTH:
        raise InvalidCredentials(private="oversized")
    found = _BEARER.fullmatch(value)
    if found is None:
        raise InvalidCredentials(private="not_bearer")
    return Credential("token", found[1]) if _JWS.fullmatch(found[1]) else _key(found[1])
