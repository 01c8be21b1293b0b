"""Recovers jobs that a dead process left behind, for the sweeper and the dead-letter function."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from imagegen.deadline import Deadline
from imagegen.errors import InternalError, JobAlreadyFinal, JobNotFound, StorageUnavailable
from imagegen.jobs import states
from imagegen.jobs.backlog import Backlog
from imagegen.jobs.checkpoints import JobCheckpoints
from imagegen.jobs.job import JobError
from imagegen.jobs.outbox import Outbox
from imagegen.jobs.ports import Clock, JobLog, JobStore
from imagegen.jobs.states import Refused
from imagegen.jobs.timing import REQUEUE_S, JobTiming

SWEEP_LIMIT: Final = 1000
"""Jobs per sweep; the next one follows within a minute."""


@dataclass
class Swept:
    """The number of jobs handled, and the ids of those that are now failed."""

    jobs: int = 0
    given_up: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class JobRecovery:
    """Requeues, fails or deletes jobs that no other process handles, and sends their webhooks."""

    store: JobStore
    outbox: Outbox
    backlog: Backlog
    checkpoints: JobCheckpoints
    clock: Clock
    timing: JobTiming
    log: JobLog
    on_crash: Callable[[BaseException], None]

    def sweep(self, deadline: Deadline) -> Swept:
        """Handle every due job: send, requeue, give up, notify or delete. Raises StorageUnavailable.

        A job that cannot be handled stays due for the next sweep.
        """
        swept = Swept()
        for tenant, job_id in self.store.due(SWEEP_LIMIT):
            if deadline.left() < REQUEUE_S:
                break
            swept.jobs += 1
            with self.log.one_job():
                self.log.about(job_id)
                try:
                    if self._recover(tenant, job_id):
                        swept.given_up.append(job_id)
                except (StorageUnavailable, JobNotFound):
                    continue
                except Exception as error:  # an unreadable row must not stop the others
                    self.on_crash(error)
        return swept

    def fail_dead_letter(self, tenant: str, job_id: str) -> bool:
        """Fail the job of a message that no worker could process. Returns False for a final, held or deleted job."""
        job = self.store.get(tenant, job_id)
        if job is None:
            return False
        self.log.about(job_id, job.origin)
        with suppress(Refused, JobAlreadyFinal, JobNotFound):
            error = JobError.of(InternalError())
            failed = self.store.change(job, lambda stored: states.failed(stored, self.clock(), self.timing, error))
            self.outbox.notify(failed)
            self.checkpoints.discard(failed)
            return True
        return False

    def _recover(self, tenant: str, job_id: str) -> bool:
        """Handle one due job. Returns whether it was given up."""
        job = self.store.get(tenant, job_id)
        if job is None:
            self.store.delete_expired(tenant, job_id)
            return False
        self.log.about(job_id, job.origin)
        was_final, error = job.final, JobError.of(InternalError())
        waiting = self.backlog.waiting()
        job = self.store.change(
            job, lambda stored: states.recovered(stored, self.clock(), self.timing, error, waiting=waiting)
        )
        if job.state == "queued" and not job.sent:
            self.log.requeued(job)
            self.outbox.send(job)
        gave_up = job.state == "failed" and not was_final
        if gave_up:
            self.log.given_up(job)
        self.outbox.notify(job)
        if gave_up:
            self.checkpoints.discard(job)
        return gave_up
