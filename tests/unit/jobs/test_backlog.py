from __future__ import annotations

from dataclasses import dataclass

from imagegen.errors import StorageUnavailable
from imagegen.jobs.backlog import Backlog


@dataclass
class CountingQueue:
    """A JobQueue that counts how often it is asked for its length. None: it does not respond."""

    length: int | None
    asked: int = 0

    def waiting(self) -> int:
        self.asked += 1
        if self.length is None:
            raise StorageUnavailable("unavailable")
        return self.length

    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None: ...

    def postpone(self, receipt: str, seconds: int) -> None: ...

    def dead_letter(self, body: str, reason: str) -> None: ...


def asked_in_two_minutes(length: int | None) -> int:
    """Ask ten times a second, and return how often the queue was asked."""
    queue = CountingQueue(length)
    now = 1_800_000_000_000
    backlog = Backlog(queue, lambda: now)
    for _ in range(1200):
        assert backlog.waiting() == length
        now += 100
    return queue.asked


def test_the_queue_is_asked_every_five_seconds_and_once_a_minute_while_it_does_not_respond() -> None:
    assert asked_in_two_minutes(7) == 24
    assert asked_in_two_minutes(None) == 2
