"""A `time` for tests of what waits: only sleeping advances it, so a busy machine changes nothing."""

from __future__ import annotations

from collections.abc import Callable


class SleptTime:
    """Replaces the module `time`. Calls `during` with the time after each sleep."""

    def __init__(self, during: Callable[[float], None] = lambda _: None):
        self.now = 0.0
        self._during = during

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._during(self.now)
