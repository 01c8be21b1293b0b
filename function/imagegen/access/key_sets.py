"""The cached keys of one issuer: when they are fetched, and how long they are used while the issuer is down.

Each process has its own, and shares what it fetched with those that start while the issuer is down.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress
from typing import Final

from imagegen.access.ports import Clock, KeySet, KeySetSource, KeySetUnavailable, SharedKeySets
from imagegen.errors import AuthUnavailable, InvalidCredentials, StorageUnavailable

FRESH_S: Final = 300
"""Age at which the keys are fetched again, so that a key that the issuer withdrew is soon refused."""
USABLE_S: Final = 3600
"""Age until which the keys are used while the issuer does not respond."""
PAUSE_S: Final = 30
"""Seconds without a fetch after one that failed, or that was for an unknown key id."""


class IssuerKeys:
    """Thread-safe. While one thread fetches, the others wait: the source must end within seconds.

    An issuer that publishes a key before it signs with it is never affected by PAUSE_S.
    """

    def __init__(self, source: KeySetSource, shared: SharedKeySets, issuer: str, clock: Clock):
        self._source = source
        self._shared = shared
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._fetched_at = -math.inf
        self._failure = ""
        self._paused_at = -math.inf

    def containing(self, key_id: str) -> KeySet:
        """Return the issuer's keys if the key is one of them.

        Raises InvalidCredentials if the issuer has no such key, and AuthUnavailable if that cannot be known now.
        """
        with self._lock:
            now = self._clock() / 1000
            if not self._is_current(key_id, now) and self._pause_left(now) <= 0:
                self._fetch(key_id, now)
            return self._checked(key_id, now)

    def _is_current(self, key_id: str, now: float) -> bool:
        return self._has(key_id) and self._age(now) < FRESH_S

    def _fetch(self, key_id: str, now: float) -> None:
        was_unknown = self._keys is not None and not self._has(key_id)
        try:
            fetched = self._source.fetch(self._issuer)
        except KeySetUnavailable as error:
            self._failure = str(error)
            self._use_shared()
        else:
            self._keys, self._fetched_at, self._failure = fetched, now, ""
            with suppress(StorageUnavailable):  # the next fetch, of any process, shares its own
                self._shared.put(self._issuer, fetched, int(now))
        if self._failure or was_unknown or not self._has(key_id):
            self._paused_at = now

    def _use_shared(self) -> None:
        """Use the keys that another process fetched if they are newer."""
        with suppress(StorageUnavailable):
            found = self._shared.get(self._issuer)
            if found is not None and found[1] > self._fetched_at:
                self._keys, self._fetched_at = found

    def _checked(self, key_id: str, now: float) -> KeySet:
        if self._keys is None or self._age(now) >= USABLE_S or (self._failure and not self._has(key_id)):
            raise AuthUnavailable(max(1, math.ceil(self._pause_left(now))), private=self._failure)
        if not self._has(key_id):
            raise InvalidCredentials(private="unknown_key_id")
        return self._keys

    def _has(self, key_id: str) -> bool:
        return self._keys is not None and any(each.get("kid") == key_id for each in self._keys["keys"])

    # A clock that was set back must neither keep the keys for longer nor extend the pause.

    def _age(self, now: float) -> float:
        return abs(now - self._fetched_at)

    def _pause_left(self, now: float) -> float:
        return PAUSE_S - abs(now - self._paused_at)
