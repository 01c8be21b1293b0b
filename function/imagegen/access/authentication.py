"""Finds the caller of a request by its API key or its token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from imagegen.access import api_key
from imagegen.access.caller import Caller
from imagegen.access.credentials import Pair, credential
from imagegen.access.ports import CallerDirectory, Clock
from imagegen.access.recent_keys import RecentKeys
from imagegen.errors import InvalidCredentials

if TYPE_CHECKING:
    from imagegen.access.token import TokenVerifier


class Authenticator:
    """Reads the table at most once for a key, and not at all for a token.

    `tokens` is None if no issuer is trusted.
    """

    def __init__(self, directory: CallerDirectory, tokens: TokenVerifier | None, clock: Clock):
        self._directory = directory
        self._tokens = tokens
        self._recent = RecentKeys(clock)

    def caller(self, headers: Iterable[Pair], query: Iterable[Pair], *, may_remember: bool = False) -> Caller:
        """Return the caller that the header lines name.

        `may_remember` is whether the function that handles the request checks itself that a remembered key
        (Caller.remembered_key) has not ended. Raises InvalidCredentials, and AuthUnavailable or StorageUnavailable if
        that cannot be known now.
        """
        found = credential(headers, query)
        if found.kind == "token":
            return self._of_token(found.value)
        digest = api_key.digest(found.value)
        remembered = self._recent.get(digest) if may_remember else None
        return remembered or self._of_key(digest)

    def _of_key(self, digest: str) -> Caller:
        found = self._directory.find(digest)
        self._recent.learn(digest, found)
        if found is None:
            raise InvalidCredentials(private="unknown_key")
        return found.caller

    def _of_token(self, token: str) -> Caller:
        if self._tokens is None:
            raise InvalidCredentials(private="no_issuer")
        return self._tokens.verify(token)
