from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from imagegen.errors import StorageUnavailable
from imagegen.jobs.backlog import MAX_LISTED, Backlog
from imagegen.jobs.job import Job
from imagegen.jobs.ports import Listed
from tests.support.fake_turns import MemoryTurns
from tests.support.job_states import NOW, new


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

    def put_all(self, jobs: Sequence[Listed]) -> list[Listed]: ...  # type: ignore[empty-body]

    def postpone(self, receipt: str, seconds: int) -> None: ...

    def dead_letter(self, body: str, reason: str) -> None: ...


def asked_in_two_minutes(length: int | None) -> tuple[int, int]:
    """Ask ten times a second, and return how often the queue and the table were asked."""
    queue, turns = CountingQueue(length), MemoryTurns([] if length is not None else None)
    now = NOW
    backlog = Backlog(queue, turns, lambda: now)
    for _ in range(1200):
        assert backlog.waiting() == length
        assert backlog.position(new()) == (None if length is None else 1)
        now += 100
    return queue.asked, turns.asked


def test_both_are_asked_every_five_seconds_and_once_a_minute_while_they_do_not_respond() -> None:
    assert asked_in_two_minutes(7) == (24, 24)
    assert asked_in_two_minutes(None) == (2, 2)


def test_a_clock_that_is_set_back_does_not_keep_an_old_length() -> None:
    now, queue = NOW, CountingQueue(7)
    backlog = Backlog(queue, MemoryTurns([]), lambda: now)
    assert backlog.waiting() == 7
    now, queue.length = NOW - 3_600_000, 8
    assert backlog.waiting() == 8


def test_threads_that_ask_at_the_same_time_ask_once() -> None:
    """A sweep has five, and to list ten thousand jobs takes a read unit for each hundred of them."""

    class SlowQueue(CountingQueue):
        def waiting(self) -> int:
            time.sleep(0.05)  # so that others come meanwhile
            return super().waiting()

    queue, together = SlowQueue(7), threading.Barrier(5)
    backlog = Backlog(queue, MemoryTurns([]), lambda: NOW)

    def ask(_: int) -> int | None:
        together.wait()
        return backlog.waiting()

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(ask, range(5))) == [7] * 5
    assert queue.asked == 1


def place(job: Job, *waiting: tuple[str, int]) -> int | None:
    turns = MemoryTurns([Listed(tenant, f"{number:026d}") for tenant, number in waiting])
    return Backlog(CountingQueue(0), turns, lambda: NOW).position(job)


def numbered(number: int, tenant: str = "bob") -> Job:
    return replace(new(), tenant=tenant, job_id=f"{number:026d}")


ALICE = [("alice", number) for number in range(1000)]


@pytest.mark.parametrize(
    ("waiting", "number", "expected"),
    [
        ([], 5, 1),
        ([("bob", 5)], 5, 1),
        ([("bob", 3), ("bob", 4), ("bob", 5), ("bob", 6)], 5, 3),
        ([*ALICE, ("bob", 2000)], 2000, 2),
        ([*ALICE, ("bob", 2000), ("bob", 2001)], 2001, 4),
        ([*ALICE, ("carol", 1500), ("bob", 2000)], 2000, 3),
        ([("alice", 3000), ("bob", 2000)], 2000, 1),
        ([("alice", 1), ("bob", 2000), ("bob", 2001), ("bob", 2002)], 2002, 4),
    ],
    ids=["alone", "itself", "own", "first", "second", "third tenant", "younger", "short queue"],
)
def test_a_job_is_behind_its_tenants_jobs_and_as_many_of_each_other_tenant(
    waiting: list[tuple[str, int]], number: int, expected: int
) -> None:
    assert place(numbered(number), *waiting) == expected


def test_the_thousandth_job_of_a_tenant_is_behind_all_others_that_wait() -> None:
    assert place(numbered(999, "alice"), *ALICE, ("bob", 2000), ("carol", 2001)) == 1002


def test_no_place_is_known_in_a_queue_that_is_too_long_to_list() -> None:
    assert place(numbered(7), *(("alice", number) for number in range(MAX_LISTED))) is None
