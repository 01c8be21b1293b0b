"""Finds the caller of a request by its API key or its token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from imagegen.access import api_key
from imagegen.access.caller import Caller
from imagegen.access.credentials import Pair, credential
from imagegen.access.ports import CallerDirectory
from imagegen.errors import InvalidCredentials

if TYPE_CHECKING:
    from imagegen.access.token import TokenVerifier


class Authenticator:
    """Reads the table once for a key, and not at all for a token. `tokens` is None if no issuer is trusted."""

    def __init__(self, directory: CallerDirectory, tokens: TokenVerifier | None):
        self._directory = directory
        self._tokens = tokens

    def caller(self, headers: Iterable[Pair], query: Iterable[Pair]) -> Caller:
        """Return the caller that the header lines name.

        Raises InvalidCredentials, and AuthUnavailable or StorageUnavailable if that cannot be known now.
        """
        found = credential(headers, query)
        return self._of_token(found.value) if found.kind == "token" else self._of_key(found.value)

    def _of_key(self, key: str) -> Caller:
        found = self._directory.find(api_key.digest(key))
        if found is None:
            raise InvalidCredentials(private="unknown_key")
        return found

    def _of_token(self, token: str) -> Caller:
        if self._tokens is None:
            raise InvalidCredentials(private="no_issuer")
        return self._tokens.verify(token)
