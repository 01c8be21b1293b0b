"""The word lists that apply now, read again while the process lives.

Covered: lists that cannot be read or are invalid. At first, no request is accepted; later, the earlier ones apply for
an hour. Every failed attempt is reported.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from imagegen.errors import ModerationUnavailable
from imagegen.moderation.ports import Audit, ListSource, ListsUnreadable
from imagegen.moderation.prompt_rules import PromptRules
from imagegen.moderation.word_lists import InvalidLists, WordLists, packaged

FRESH_S: Final = 300
"""Age at which the lists are read again: how late a change takes effect."""
USABLE_S: Final = 3600
"""Age until which lists apply that cannot be read again."""
PAUSE_S: Final = 30
"""Seconds without an attempt after one that failed."""


class PackagedLists:
    """Implements ports.Rules with the lists of this version."""

    def __init__(self) -> None:
        self._rules = PromptRules(packaged())

    def rules(self) -> PromptRules:
        """Return the same rules always."""
        return self._rules


class CurrentLists:
    """Implements ports.Rules with lists that an owner can replace. Thread-safe.

    While one thread reads the lists, the others wait: the source must end within seconds.
    """

    def __init__(self, source: ListSource, audit: Audit, clock: Callable[[], int]):
        """`clock` returns epoch milliseconds."""
        self._source = source
        self._audit = audit
        self._clock = clock
        self._lock = threading.Lock()
        self._rules: PromptRules | None = None
        self._read_at = self._failed_at = -math.inf
        self._cause = ""

    def rules(self) -> PromptRules:
        """Return the rules of the current lists. Raises ModerationUnavailable."""
        with self._lock:
            now = self._clock() / 1000
            # Absolute, because a clock that was set back must not keep the lists for longer.
            if abs(now - self._read_at) >= FRESH_S and abs(now - self._failed_at) >= PAUSE_S:
                self._read(now)
            if self._rules is None or abs(now - self._read_at) >= USABLE_S:
                raise ModerationUnavailable(private=f"word lists: {self._cause}")
            return self._rules

    def _read(self, now: float) -> None:
        try:
            rules = PromptRules(WordLists.parse(self._source.read()))
        except (ListsUnreadable, InvalidLists) as error:
            self._failed_at, self._cause = now, error.reason
            self._audit.moderation_unavailable("prompt", f"word lists: {error.reason}")
        else:
            self._rules, self._read_at = rules, now
