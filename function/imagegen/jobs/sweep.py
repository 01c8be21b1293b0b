"""Finds due jobs and recovers them: restarts first, then unsent messages, jobs that wait, and expired ones.

Covered: a dead worker's job is sent again however many others are due, because its kind has shards of its own, which
are swept first and send ten messages a call before any row is written; a part that fails costs the others nothing; a
job that cannot be handled stays due for the next sweep. Not covered: more due jobs than a sweep has time for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from imagegen.deadline import Deadline
from imagegen.errors import JobNotFound, ServiceError, StorageUnavailable
from imagegen.jobs.outbox import Outbox
from imagegen.jobs.ports import BATCH, DueKind, JobStore, Listed
from imagegen.jobs.recovery import JobRecovery
from imagegen.jobs.timing import REQUEUE_S

LIMITS: Final[dict[DueKind, int]] = {"running": 25_000, "open": 1000, "sent": 1000, "done": 1000}
"""Jobs of a shard and a sweep; the next one follows within a minute. 25,000 keys are 2.5 MB."""


@dataclass
class Swept:
    """What a sweep did: jobs handled, the ids of those that are now failed, and what kept it from doing more."""

    jobs: int = 0
    given_up: list[str] = field(default_factory=list)
    failures: list[ServiceError] = field(default_factory=list)


@dataclass(frozen=True)
class JobSweep:
    """Sweeps the shards of a kind of jobs in parallel, at most `threads` at once. No part raises."""

    store: JobStore
    outbox: Outbox
    recovery: JobRecovery
    on_crash: Callable[[BaseException], None]
    threads: int = 5

    def all(self, deadline: Deadline) -> Swept:
        """Handle every due job, the urgent kinds first."""
        swept = Swept()
        for part in (self.restart, self.send, self.examine, self.purge):
            part(deadline, swept)
        return swept

    def restart(self, deadline: Deadline, swept: Swept) -> None:
        """Queue or fail the jobs whose lease has expired."""
        self._each_shard("running", partial(self._restart, deadline), swept)

    def send(self, deadline: Deadline, swept: Swept) -> None:
        """Send messages to workers and receivers that were not sent; do everything for rows without shards."""
        self._each_shard("open", partial(self._recover_each, deadline), swept)

    def examine(self, deadline: Deadline, swept: Swept) -> None:
        """Send jobs again whose message may be lost."""
        self._each_shard("sent", partial(self._recover_each, deadline), swept)

    def purge(self, deadline: Deadline, swept: Swept) -> None:
        """Delete expired jobs."""
        self._each_shard("done", partial(self._purge, deadline), swept)

    def _each_shard(self, kind: DueKind, handle: Callable[[list[Listed], Swept], None], swept: Swept) -> None:
        def sweep(shard: str) -> Swept:
            own = Swept()
            with self._surviving(own):
                handle(self.store.due(shard, LIMITS[kind]), own)
            return own

        with ThreadPoolExecutor(self.threads) as pool:
            for own in pool.map(sweep, self.store.due_shards(kind)):
                swept.jobs += own.jobs
                swept.given_up += own.given_up
                swept.failures += own.failures

    def _restart(self, deadline: Deadline, due: list[Listed], swept: Swept) -> None:
        sent = self._send_again(deadline, due)
        for listed in self._in_time(deadline, due):
            self._recover(listed, swept, sent=listed in sent)

    def _send_again(self, deadline: Deadline, due: list[Listed]) -> set[Listed]:
        """Send the jobs' messages before their rows are read. Returns the jobs whose message was sent.

        A worker refuses a job that is not lost, or that has no attempt left: such a message costs one read.
        """
        sent: set[Listed] = set()
        for first in range(0, len(due), BATCH):
            if deadline.left() < REQUEUE_S:
                break
            batch = due[first : first + BATCH]
            try:
                sent.update(set(batch) - set(self.outbox.send_again(batch)))
            except StorageUnavailable:
                break  # the rows' own handling tries again
        return sent

    def _recover_each(self, deadline: Deadline, due: list[Listed], swept: Swept) -> None:
        for listed in self._in_time(deadline, due):
            self._recover(listed, swept)

    def _recover(self, listed: Listed, swept: Swept, *, sent: bool = False) -> None:
        swept.jobs += 1
        with self._surviving():
            if self.recovery.recover(*listed, sent=sent):
                swept.given_up.append(listed.job_id)

    def _purge(self, deadline: Deadline, due: list[Listed], swept: Swept) -> None:
        for listed in self._in_time(deadline, due):
            swept.jobs += 1
            with self._surviving():
                self.store.delete_expired(*listed)

    def _in_time(self, deadline: Deadline, due: list[Listed]) -> Iterator[Listed]:
        for listed in due:
            if deadline.left() < REQUEUE_S:
                return
            yield listed

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
