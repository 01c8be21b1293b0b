"""How a sweep uses its threads and its time, on a store that only counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from imagegen import job_log
from imagegen.deadline import Deadline
from imagegen.errors import StorageUnavailable
from imagegen.jobs.ports import BATCH, DueKind, Listed
from imagegen.jobs.recovery import Waiting
from imagegen.jobs.sweep import JobSweep, Swept
from tests.support.fakes import PLENTY

SHARDS = 4


class Store:
    """The part of a JobStore that a sweep needs: `of` jobs are due in each shard."""

    def __init__(self, of: int = 0, look: Callable[[], object] = lambda: None):
        self.of = of
        self.look = look
        self.deleted: list[Listed] = []

    def due_shards(self, kind: DueKind) -> Sequence[str]:
        return [f"{kind}#{number}" for number in range(SHARDS)]

    def due(self, shard: str, limit: int) -> list[Listed]:
        self.look()
        return [Listed(shard, str(number)) for number in range(min(self.of, limit))]

    def delete_expired(self, tenant: str, job_id: str) -> None:
        self.deleted.append(Listed(tenant, job_id))


class Outbox:
    """Records the batches that it sends. Raises `failing` while it is set."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        """Also the messages that wait: no worker takes any."""
        self.failing: StorageUnavailable | None = None

    def send_again(self, jobs: Sequence[Listed]) -> list[Listed]:
        if self.failing:
            raise self.failing
        self.batches.append(len(jobs))
        return []


class Backlog:
    """As long as the messages in the outbox. Counts how often it is read."""

    def __init__(self, outbox: Outbox):
        self.outbox = outbox
        self.reads = 0

    def waiting(self) -> int:
        self.reads += 1
        return sum(self.outbox.batches)


class Recovery:
    """Records what it recovers, whether its message had been sent, and how many others waited."""

    def __init__(self) -> None:
        self.sent: list[bool] = []
        self.waiting: set[int | None] = set()

    def recover(self, tenant: str, job_id: str, waiting: Waiting, *, sent: bool = False) -> bool:
        self.sent.append(sent)
        self.waiting.add(waiting())
        return job_id == "0"


def sweep_of(store: Any, outbox: Any, recovery: Any, threads: int = 5, backlog: Any = None) -> JobSweep:
    def crash(error: BaseException) -> None:
        raise error

    length: Any = backlog or Backlog(outbox)
    return JobSweep(store, outbox, length, recovery, job_log, crash, threads)


def nothing_waits() -> int:
    return 0


def test_the_shards_of_a_kind_are_swept_at_the_same_time() -> None:
    """Each look-up waits for those of the other shards."""
    together = threading.Barrier(SHARDS, timeout=60)
    swept = sweep_of(Store(look=together.wait), Outbox(), Recovery()).all(PLENTY)
    assert swept == Swept()
    assert not together.broken


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_no_more_threads_are_used_than_allowed(threads: int) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def look() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    sweep_of(Store(of=3, look=look), Outbox(), Recovery(), threads).all(PLENTY)
    assert most <= threads


def test_messages_are_sent_in_full_batches_before_rows_are_recovered() -> None:
    outbox, recovery, swept = Outbox(), Recovery(), Swept()
    sweep_of(Store(of=25), outbox, recovery).restart(PLENTY, swept, nothing_waits)
    assert sorted(outbox.batches) == [5] * SHARDS + [BATCH] * 2 * SHARDS
    assert recovery.sent == [True] * 25 * SHARDS
    assert (swept.jobs, swept.given_up) == (25 * SHARDS, ["0"] * SHARDS)


def test_jobs_whose_message_could_not_be_sent_are_recovered_without_it() -> None:
    outbox, recovery, swept = Outbox(), Recovery(), Swept()
    outbox.failing = StorageUnavailable("unavailable")
    sweep_of(Store(of=25), outbox, recovery).restart(PLENTY, swept, nothing_waits)
    assert recovery.sent == [False] * 25 * SHARDS
    assert swept.failures == []


def test_a_sweep_stops_when_its_time_is_over() -> None:
    """What is left stays due."""
    left = iter([*[10.0] * 7, *[2.0] * 1000])
    recovery, swept = Recovery(), Swept()
    sweep_of(Store(of=25), Outbox(), recovery, threads=1).send(Deadline(lambda: next(left)), swept, nothing_waits)
    assert swept.jobs == len(recovery.sent) == 7


def test_a_sweep_is_bounded() -> None:
    store, recovery, swept = Store(of=10**6), Recovery(), Swept()
    sweep = sweep_of(store, Outbox(), recovery)
    sweep.purge(PLENTY, swept)
    sweep.examine(PLENTY, swept, nothing_waits)
    assert len(store.deleted) == len(recovery.sent) == 1000 * SHARDS


def test_a_sweep_does_not_count_its_own_messages_as_waiting() -> None:
    outbox, recovery = Outbox(), Recovery()
    outbox.batches.append(3)  # of others
    backlog = Backlog(outbox)
    sweep_of(Store(of=25), outbox, recovery, backlog=backlog).all(PLENTY)
    assert sum(outbox.batches) > 3
    assert (recovery.waiting, backlog.reads) == ({3}, 1)


def test_the_number_of_waiting_messages_is_read_anew_in_each_sweep_that_has_work() -> None:
    outbox, recovery, store = Outbox(), Recovery(), Store()
    backlog = Backlog(outbox)
    sweep = sweep_of(store, outbox, recovery, backlog=backlog)
    sweep.all(PLENTY)
    assert backlog.reads == 0, "an idle stack pays for no call"
    store.of = 1
    sweep.all(PLENTY)
    sweep.all(PLENTY)
    assert len(recovery.waiting) == 2
