"""The jobs that wait, cached: their number and places are shown to each caller that polls a queued job."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from imagegen.errors import StorageUnavailable
from imagegen.jobs.job import Job
from imagegen.jobs.ports import Clock, JobQueue, TurnStore

T = TypeVar("T")

FRESH_MS: Final = 5000
"""A process asks SQS and the table at most this often: 0.2 USD a month each if callers always poll."""
UNAVAILABLE_MS: Final = 60_000
"""After a failure, because a caller should not wait for SQS or the table to time out each time."""
MAX_LISTED: Final = 10_000
"""Jobs that a process lists: 0.7 MB, 90 read units. Of more jobs than that, no place is known."""

Queues = Mapping[str, Sequence[str]]
"""The ids of the jobs that wait, by tenant, the oldest first."""


class Backlog:
    """How many messages wait for a worker, over all tenants, and which place a job has."""

    def __init__(self, queue: JobQueue, turns: TurnStore, clock: Clock):
        self._turns = turns
        self._queue = queue
        self._length = _Cached(lambda: self._queue.waiting(), clock)
        self._queues = _Cached(self._list, clock)

    def waiting(self) -> int | None:
        """Return about how many messages wait, up to FRESH_MS ago; None if SQS did not respond then."""
        return self._length.get()

    def position(self, job: Job) -> int | None:
        """Return about how many jobs start before `job` does, itself included, up to FRESH_MS ago; None if unknown.

        Tenants take turns (turns.py): with n jobs of its own tenant ahead, it is behind at most n + 1 of any other's.
        """
        queues = self._queues.get()
        if queues is None:
            return None
        ahead = bisect_left(queues.get(job.tenant, ()), job.job_id)
        others = (ids for tenant, ids in queues.items() if tenant != job.tenant)
        return ahead + 1 + sum(_before(ids, ahead, job.job_id) for ids in others)

    def _list(self) -> Queues | None:
        listed = self._turns.waiting(MAX_LISTED)
        queues: dict[str, list[str]] = defaultdict(list)
        for tenant, job_id in listed:
            queues[tenant].append(job_id)
        return queues if len(listed) < MAX_LISTED else None


class _Cached(Generic[T]):
    """A value that is read again after FRESH_MS, or after UNAVAILABLE_MS if it could not be read.

    Thread-safe: while one thread reads it, the others wait for it.
    """

    def __init__(self, read: Callable[[], T], clock: Clock):
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._value: T | None = None
        self._fresh_until = self._lasts_ms = 0

    def get(self) -> T | None:
        """Return the value; None if it could not be read."""
        with self._lock:
            # A clock that was set back must not keep the value for longer.
            if not 0 < self._fresh_until - self._clock() <= self._lasts_ms:
                try:
                    self._value = self._read()
                except StorageUnavailable:
                    self._value = None
                self._lasts_ms = UNAVAILABLE_MS if self._value is None else FRESH_MS
                self._fresh_until = self._clock() + self._lasts_ms
            return self._value


def _before(ids: Sequence[str], rounds: int, job_id: str) -> int:
    """Return how many of another tenant's jobs start in `rounds` rounds, and in the next one if it is older."""
    return min(len(ids), rounds) + (len(ids) > rounds and ids[rounds] < job_id)
