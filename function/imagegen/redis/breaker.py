"""A circuit breaker: after a failure, nothing is tried for a while. Pure."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

PAUSE_S: Final = 10.0
"""Seconds without an attempt after one that failed. So a server that hangs costs each environment one attempt in ten
seconds, and one that recovers is used again within ten seconds."""


class Breaker:
    """Open after one failure, for PAUSE_S; then one caller tries. Thread-safe."""

    def __init__(self, clock: Callable[[], float]):
        """`clock` returns seconds, which never go back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = True
        self._again_at = -math.inf

    def lets_through(self) -> bool:
        """Return whether to try now. After the pause it lets one caller through; the others wait for its outcome."""
        with self._lock:
            if self._closed:
                return True
            if self._clock() < self._again_at:
                return False
            self._again_at = self._clock() + PAUSE_S
            return True

    def succeeded(self) -> None:
        """Close it."""
        with self._lock:
            self._closed = True

    def failed(self) -> None:
        """Open it."""
        with self._lock:
            self._closed = False
            self._again_at = self._clock() + PAUSE_S
