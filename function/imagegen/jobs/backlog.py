"""The length of the jobs queue, cached: it is shown to each caller that polls a queued job."""

from __future__ import annotations

from typing import Final

from imagegen.errors import StorageUnavailable
from imagegen.jobs.ports import Clock, JobQueue

FRESH_MS: Final = 5000
"""A process asks SQS at most this often, also while SQS does not respond: 0.2 USD a month if callers always poll."""


class Backlog:
    """How many messages wait for a worker, over all tenants."""

    def __init__(self, queue: JobQueue, clock: Clock):
        self._queue = queue
        self._clock = clock
        self._read_at: int | None = None
        self._waiting: int | None = None

    def waiting(self) -> int | None:
        """Return about how many messages wait, up to FRESH_MS ago; None if SQS did not respond."""
        now = self._clock()
        if self._read_at is None or now - self._read_at >= FRESH_MS:
            self._waiting = self._read()
            self._read_at = now
        return self._waiting

    def _read(self) -> int | None:
        try:
            return self._queue.waiting()
        except StorageUnavailable:
            return None
