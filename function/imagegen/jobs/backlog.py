"""The length of the jobs queue, cached: it is shown to each caller that polls a queued job."""

from __future__ import annotations

from typing import Final

from imagegen.errors import StorageUnavailable
from imagegen.jobs.ports import Clock, JobQueue

FRESH_MS: Final = 5000
"""A process asks SQS at most this often: 0.2 USD a month if callers always poll."""
UNAVAILABLE_MS: Final = 60_000
"""After a failure, because a caller should not wait for SQS to time out each time."""


class Backlog:
    """How many messages wait for a worker, over all tenants."""

    def __init__(self, queue: JobQueue, clock: Clock):
        self._queue = queue
        self._clock = clock
        self._waiting: int | None = None
        self._fresh_until = 0

    def waiting(self) -> int | None:
        """Return about how many messages wait, up to FRESH_MS ago; None if SQS did not respond then."""
        if self._clock() >= self._fresh_until:
            self._waiting = self._read()
            self._fresh_until = self._clock() + (UNAVAILABLE_MS if self._waiting is None else FRESH_MS)
        return self._waiting

    def _read(self) -> int | None:
        try:
            return self._queue.waiting()
        except StorageUnavailable:
            return None
