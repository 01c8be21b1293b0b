"""Finds due jobs and recovers them: restarts first, then unsent messages, jobs that wait, and expired ones.

Covered: a dead worker's job is sent again however many others are due, because its kind has shards of its own, which
are swept first and send ten messages a call before any row is written; a part that fails costs the others nothing; a
job that cannot be handled stays due for the next sweep. Not covered: more due jobs than a sweep has time for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeVar

from imagegen.deadline import Deadline
from imagegen.errors import JobNotFound, ServiceError, StorageUnavailable
from imagegen.jobs.backlog import Backlog
from imagegen.jobs.job import UnreadableJob
from imagegen.jobs.outbox import Outbox
from imagegen.jobs.ports import BATCH, DueKind, JobLog, JobStore, Listed
from imagegen.jobs.recovery import JobRecovery, Waiting
from imagegen.jobs.timing import REQUEUE_S

P = TypeVar("P")
R = TypeVar("R")

LIMITS: Final[dict[DueKind, int]] = {"running": 25_000, "open": 1000, "sent": 1000, "done": 1000}
"""Jobs of a shard and a sweep; the next one follows within a minute. 25,000 keys are 2.5 MB."""


@dataclass
class Swept:
    """What a sweep did: jobs handled, the ids of those that are now failed, and what kept it from doing more."""

    jobs: int = 0
    given_up: list[str] = field(default_factory=list)
    failures: list[ServiceError] = field(default_factory=list)


@dataclass(frozen=True)
class _Sent:
    """Due jobs of a shard, and those of them whose message was sent."""

    due: list[Listed]
    jobs: set[Listed] = field(default_factory=set)


@dataclass(frozen=True)
class JobSweep:
    """Sweeps the shards of a kind of jobs in parallel, at most `threads` at once. No part raises."""

    store: JobStore
    outbox: Outbox
    backlog: Backlog
    recovery: JobRecovery
    log: JobLog
    on_crash: Callable[[BaseException], None]
    threads: int = 5
    unreadable: set[Listed] = field(default_factory=set)
    """Jobs whose rows only a newer version can read. Their messages come back from the workers; one is enough."""

    def all(self, deadline: Deadline) -> Swept:
        """Handle every due job, the urgent kinds first."""
        swept, waiting = Swept(), self.waiting()
        for part in (self.restart, self.send, self.examine):
            part(deadline, swept, waiting)
        self.purge(deadline, swept)
        return swept

    def waiting(self) -> Waiting:
        """Return the number of messages that wait as one sweep sees it: read at most once, before it sends any.

        A sweep that counted its own messages would leave a job alone whose message is lost.
        """
        lock, read = threading.Lock(), cache(self.backlog.waiting)

        def waiting() -> int | None:
            with lock:  # shards that ask together would each read, the last of them after messages of the first
                return read()

        return waiting

    def restart(self, deadline: Deadline, swept: Swept, waiting: Waiting) -> None:
        """Queue or fail the jobs whose lease has expired. All their messages are sent before a row is read."""

        def send(shard: str, _: Swept) -> _Sent:
            return self._send_again(deadline, self._due(shard, "running"), waiting)

        def record(sent: _Sent, own: Swept) -> None:
            for listed in self._in_time(deadline, sent.due):
                self._recover(listed, own, waiting, sent=listed in sent.jobs)

        self._parallel(self._parallel(self.store.due_shards("running"), send, swept), record, swept)

    def send(self, deadline: Deadline, swept: Swept, waiting: Waiting) -> None:
        """Send messages to workers and receivers that were not sent; do everything for rows without shards."""
        self._recover_each("open", deadline, swept, waiting)

    def examine(self, deadline: Deadline, swept: Swept, waiting: Waiting) -> None:
        """Send jobs again whose message may be lost."""
        self._recover_each("sent", deadline, swept, waiting)

    def purge(self, deadline: Deadline, swept: Swept) -> None:
        """Delete expired jobs."""

        def delete(shard: str, own: Swept) -> None:
            for listed in self._in_time(deadline, self._due(shard, "done")):
                own.jobs += 1
                with self._one(listed):
                    self.store.delete_expired(*listed)

        self._parallel(self.store.due_shards("done"), delete, swept)

    def _recover_each(self, kind: DueKind, deadline: Deadline, swept: Swept, waiting: Waiting) -> None:
        def recover(shard: str, own: Swept) -> None:
            for listed in self._in_time(deadline, self._due(shard, kind)):
                self._recover(listed, own, waiting)

        self._parallel(self.store.due_shards(kind), recover, swept)

    def _parallel(self, parts: Sequence[P], handle: Callable[[P, Swept], R], swept: Swept) -> list[R]:
        """Handle the parts at the same time, and return the results of those that did not fail."""

        def surviving(part: P) -> tuple[list[R], Swept]:
            results, own = list[R](), Swept()
            with self._surviving(own):
                results.append(handle(part, own))
            return results, own

        found: list[R] = []
        with ThreadPoolExecutor(self.threads) as pool:
            for results, own in pool.map(surviving, parts):
                found += results
                swept.jobs += own.jobs
                swept.given_up += own.given_up
                swept.failures += own.failures
        return found

    def _due(self, shard: str, kind: DueKind) -> list[Listed]:
        return self.store.due(shard, LIMITS[kind])

    def _send_again(self, deadline: Deadline, due: list[Listed], waiting: Waiting) -> _Sent:
        """Send the jobs' messages, ten in a call.

        A worker refuses a job that is not lost, or that has no attempt left: such a message costs one read.
        """
        sent = _Sent(due)
        sendable = [each for each in due if each not in self.unreadable]
        if sendable:
            waiting()  # read before the first message
        for first in range(0, len(sendable), BATCH):
            if deadline.left() < REQUEUE_S:
                break
            batch = sendable[first : first + BATCH]
            try:
                sent.jobs.update(set(batch) - set(self.outbox.send_again(batch)))
            except StorageUnavailable:
                break  # the rows' own handling tries again
        return sent

    def _recover(self, listed: Listed, swept: Swept, waiting: Waiting, *, sent: bool = False) -> None:
        swept.jobs += 1
        with self._one(listed):
            try:
                gave_up = self.recovery.recover(*listed, waiting, sent=sent)
            except UnreadableJob:
                self.unreadable.add(listed)
                raise
            if gave_up:
                swept.given_up.append(listed.job_id)

    def _in_time(self, deadline: Deadline, due: list[Listed]) -> Iterator[Listed]:
        for listed in due:
            if deadline.left() < REQUEUE_S:
                return
            yield listed

    @contextmanager
    def _one(self, listed: Listed) -> Iterator[None]:
        """Go on after a failure of this job, which log lines of this thread are about."""
        with self.log.one_job():
            self.log.about(listed.job_id)
            with self._surviving():
                yield

    @contextmanager
    def _surviving(self, swept: Swept | None = None) -> Iterator[None]:
        """Go on after a failure, which `swept` then has; an unreadable row must not stop the others."""
        try:
            yield
        except (StorageUnavailable, JobNotFound) as error:
            if swept is not None:
                swept.failures.append(error)
        except Exception as error:
            self.on_crash(error)
