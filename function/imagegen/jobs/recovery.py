"""Recovers jobs that a dead process left behind, for the sweeper and the dead-letter function."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from imagegen.errors import InternalError, JobAlreadyFinal, JobNotFound
from imagegen.jobs import states
from imagegen.jobs.checkpoints import JobCheckpoints
from imagegen.jobs.job import Job, JobError
from imagegen.jobs.outbox import Outbox
from imagegen.jobs.ports import Clock, JobLog, JobStore
from imagegen.jobs.states import Refused
from imagegen.jobs.timing import JobTiming

Waiting: TypeAlias = Callable[[], int | None]
"""About how many messages wait for a worker, the caller's own not among them; None if unknown."""


@dataclass(frozen=True)
class JobRecovery:
    """Requeues, fails or deletes a job that no other process handles, and sends its webhook. Thread-safe."""

    store: JobStore
    outbox: Outbox
    checkpoints: JobCheckpoints
    clock: Clock
    timing: JobTiming
    log: JobLog

    def recover(self, tenant: str, job_id: str, waiting: Waiting, *, sent: bool = False) -> bool:
        """Handle one due job, whose message was just `sent`, or is sent here. Returns whether it was given up.

        A job that no worker has claimed is not sent again as long as its message may be one of those `waiting`.
        Raises StorageUnavailable, JobNotFound or UnreadableJob: the job stays due.
        """
        job = self.store.get(tenant, job_id)
        if job is None:
            self.store.delete_expired(tenant, job_id)
            return False
        self.log.about(job_id, job.origin)
        was_final = job.final
        job = self.store.change(job, self._restarted(job, waiting) if sent else self._recovered(waiting))
        unsent = job.state == "queued" and not job.sent
        if unsent or (sent and not job.final):  # in the second case, a worker may have claimed it already
            self.log.requeued(job)
        if unsent:
            self.outbox.send(job)
        gave_up = job.state == "failed" and not was_final
        if gave_up:
            self.log.given_up(job)
        self.outbox.notify(job)
        if gave_up:
            self.checkpoints.discard(job)
        return gave_up

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

    def _recovered(self, waiting: Waiting) -> Callable[[Job], Job]:
        error, length = JobError.of(InternalError()), waiting()
        return lambda stored: states.recovered(stored, self.clock(), self.timing, error, waiting=length)

    def _restarted(self, job: Job, waiting: Waiting) -> Callable[[Job], Job]:
        """Return the transition that requeues the job and records its message, in one write."""
        recovered, sent = self._recovered(waiting), self.outbox.sent(job)

        def restarted(stored: Job) -> Job:
            queued = recovered(stored)
            return stored if queued == stored else sent(queued)

        return restarted
