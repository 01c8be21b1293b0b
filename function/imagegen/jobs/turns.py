"""Whose job a worker runs next: tenants take turns, however many jobs each of them has sent.

A message lets a worker run one job, not necessarily the one that it names. SQS returns about the oldest message first,
so a thousand jobs of one tenant would delay every other tenant's first job by all of them.

Covered: a job starts after at most one job of each other tenant that waits, and its tenant's earlier ones. Not covered:
time. Turns are counted in runs, so a tenant with long jobs gets more of the workers' time. If the table does not
respond, and for a job that is not listed, the order is that of the messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from imagegen.errors import JobNotFound, StorageUnavailable
from imagegen.jobs import states
from imagegen.jobs.job import Job, UnreadableJob
from imagegen.jobs.ports import JobStore, Listed, TurnStore

EXAMINED: Final = 25
"""Jobs that a worker looks at before it runs its message's own. More than one only if workers compete for a job."""
_RACES: Final = 5
"""Attempts to take a turn while other workers take theirs."""


@dataclass(frozen=True)
class Turns:
    """The order in which workers start jobs."""

    store: JobStore
    turns: TurnStore

    def candidates(self, own: Job | None) -> Iterator[Job]:
        """Yield the jobs that a worker may claim, until it has claimed one; `own` is the job that its message names.

        If another message started that one, this message stands for a job that waits. May raise StorageUnavailable.
        """
        if own is not None and own.state == "queued" and own.listed:
            yield from self._next(own)
        elif own is None or own.traded:
            if own is not None:
                self.store.change(own, states.redeemed)
            for listed in self._by_turn():
                yield from self._claimable(listed)
        else:
            yield own

    def _next(self, own: Job) -> Iterator[Job]:
        """Yield the jobs of the tenant whose turn it is, and in the place of its own tenant's oldest its own.

        So workers do not compete for the oldest.
        """
        for listed in self._by_turn():
            if listed.tenant == own.tenant:
                break
            yield from self._claimable(listed)
        yield own

    def _by_turn(self) -> list[Listed]:
        """Return jobs of the tenant whose turn it is and of those that follow; take the turn."""
        found: list[Listed] = []
        with suppress(StorageUnavailable):
            for _ in range(_RACES):
                last = self.turns.last()
                found = self._after(last)
                if not found or found[0].tenant == last or self.turns.take(last, found[0].tenant):
                    break
        return found

    def _after(self, last: str) -> list[Listed]:
        """Return the jobs that wait, in the order of their tenants' ids, beginning after `last`."""
        found = self.turns.waiting(EXAMINED, after=last)
        return found + self.turns.waiting(EXAMINED - len(found)) if last and len(found) < EXAMINED else found

    def _claimable(self, listed: Listed) -> Iterator[Job]:
        """Yield the job if it still waits. The index may be late, or an earlier version may have left it there."""
        with suppress(UnreadableJob, JobNotFound, StorageUnavailable):
            job = self.store.get(listed.tenant, listed.job_id)
            if job is not None and job.listed and job.state == "queued":
                yield job
            elif job is not None and job.listed:
                self.store.change(job, states.unlisted)
