"""How the threads of a batch stop, and how they wait for each other's rate limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

from imagegen_cli.deadline import Deadline
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure


class Stop(Deadline):
    """The deadline of a batch, which Ctrl-C can bring forward: waits end at once, requests at their next chunk."""

    def __init__(self, seconds: float | None):
        super().__init__(seconds)
        self._now = Event()

    def set(self) -> None:
        """End every wait and request of the threads."""
        self._now.set()

    def sleep(self, seconds: float) -> None:
        """Wait, at most until the deadline. Raises Failure (interrupted) as soon as the batch is stopped."""
        if self._now.wait(self.within(seconds)):
            self._raise()

    def within(self, seconds: float) -> float:
        """Return the seconds left, at most `seconds`. Raises Failure: interrupted, or timeout."""
        if self._now.is_set():
            self._raise()
        return super().within(seconds)

    def _raise(self) -> None:
        raise Failure(ExitCode.INTERRUPTED, "Interrupted.")


class Pace:
    """When the next request may be sent: after one has been told to wait, all do."""

    def __init__(self, sleep: Callable[[float], None], clock: Callable[[], float] = time.monotonic):
        self._sleep = sleep
        self._clock = clock
        self._next = clock()

    def wait(self) -> None:
        """Return once a request may be sent."""
        while (left := self._next - self._clock()) > 0:
            self._sleep(left)

    def hold(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._next = max(self._next, self._clock() + seconds)
