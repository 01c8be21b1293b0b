"""The keys that this process of the authorizer has looked up within the last minute.

Covered: the number of keys, and a key whose look-up finds it ended. Not covered: a key that has ended since. Only a
function that checks that itself may be told of a remembered caller.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from imagegen.access.caller import Caller
from imagegen.access.ports import Clock, FoundKey

KEPT_MS: Final = 60_000
"""How long a look-up is used. The end of a key is known to functions for far longer (aws/key_ends.py)."""
MAX_KEYS: Final = 10_000


class RecentKeys:
    """Callers by the digest of their key."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._found: dict[str, tuple[Caller, int]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def get(self, digest: str) -> Caller | None:
        """Return the caller, marked as remembered, or None."""
        caller, until_ms = self._found.get(digest, (None, 0))
        return caller if 0 < until_ms - self._clock() <= KEPT_MS else None  # more: the clock was set back

    def learn(self, digest: str, found: FoundKey | None) -> None:
        """Remember what a look-up found: a minute, but no longer than the key is known to be valid."""
        self._found.pop(digest, None)
        if found is None:
            return
        if len(self._found) >= MAX_KEYS:
            del self._found[next(iter(self._found))]  # the one that was looked up first
        caller = replace(found.caller, remembered_key=found.key_id)
        until_ms = self._clock() + KEPT_MS
        self._found[digest] = caller, until_ms if found.ends_at is None else min(until_ms, found.ends_at * 1000)
