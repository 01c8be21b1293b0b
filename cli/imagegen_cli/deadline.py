"""The time that a command may take."""

from __future__ import annotations

import time
from collections.abc import Callable

from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure


class Deadline:
    """Ends `seconds` after it was made, or never."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic):
        self._seconds = seconds
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def within(self, seconds: float) -> float:
        """Return the seconds left, at most `seconds`. Raises Failure (timeout) if none is left."""
        if self._end is None:
            return seconds
        left = self._end - self._clock()
        if left <= 0:
            raise Failure(ExitCode.TIMEOUT, f"Not done after {self._seconds:g} s (--timeout).")
        return min(seconds, left)

    def allows(self, seconds: float) -> bool:
        """Return whether more than `seconds` are left."""
        return self._end is None or self._end - self._clock() > seconds
