"""Jobs for callers: submit, get, list, cancel, delete. Needs no engine.

Covered: a process that dies between any two lines; a write whose acknowledgement is lost. Not covered: a request that
was rejected or got no response. The caller repeats it, with an Idempotency-Key to avoid a second job.
"""

from __future__ import annotations

from dataclasses import dataclass

from ulid import ULID

from imagegen.errors import JobNotFinal, JobNotFound, StorageUnavailable
from imagegen.generation.inputs import Inputs
from imagegen.generation.planner import Plan
from imagegen.jobs import states
from imagegen.jobs.checkpoints import JobCheckpoints
from imagegen.jobs.idempotency import IdempotencyFingerprint
from imagegen.jobs.job import Job, State
from imagegen.jobs.job_quotas import JobQuotas
from imagegen.jobs.outbox import Outbox
from imagegen.jobs.ports import Clock, JobLog, JobStore, Page
from imagegen.jobs.timing import JobTiming
from imagegen.limits.quota import Amount, Quota, Reservation, require_affordable
from imagegen.origin import UNKNOWN, Origin


@dataclass(frozen=True)
class Submitted:
    """A job; `replayed` means that it is the existing job of the Idempotency-Key."""

    job: Job
    replayed: bool = False


class JobService:
    """Jobs by tenant: every call takes the tenant, so no caller sees another tenant's jobs."""

    def __init__(
        self,
        *,
        store: JobStore,
        outbox: Outbox,
        checkpoints: JobCheckpoints,
        quotas: JobQuotas,
        inputs: Inputs,
        keep_s: float,
        clock: Clock,
        timing: JobTiming,
        log: JobLog,
    ):
        self._store = store
        self._checkpoints = checkpoints
        self._outbox = outbox
        self._quotas = quotas
        self._inputs = inputs
        self._keep_s = keep_s
        self._clock = clock
        self._timing = timing
        self._log = log

    def submit(
        self,
        plan: Plan,
        *,
        tenant: str,
        fingerprint: IdempotencyFingerprint | None = None,
        held: Reservation | None = None,
        origin: Origin = UNKNOWN,
    ) -> Submitted:
        """Store a job and send it to the workers. A stored job is never lost: the sweeper sends it if this fails.

        `held` is the reservation of a request that becomes this job, which gets its id. Raises IdempotencyKeyReuse,
        ResultExpired, QuotaExceeded, QueueFull, RequestTooExpensive, RateLimited or StorageUnavailable.
        """
        submitted = self._add(plan, tenant, fingerprint, self._quotas.queueing_quota(tenant), held, origin)
        return submitted if submitted.replayed else Submitted(self._outbox.send(submitted.job))

    def add(
        self, plan: Plan, *, tenant: str, fingerprint: IdempotencyFingerprint | None, origin: Origin = UNKNOWN
    ) -> Submitted:
        """Store a job without sending it. Raises what `submit` raises."""
        return self._add(plan, tenant, fingerprint, self._quotas.quota(tenant), None, origin)

    def get(self, tenant: str, job_id: str) -> Job:
        """Return the job. Raises JobNotFound for an unknown, malformed or expired id and for another tenant's."""
        job = self._store.get(tenant, job_id) if _is_ulid(job_id) else None
        if job is None:
            raise JobNotFound
        return job

    def page(self, tenant: str, *, limit: int, after: str | None = None, state: State | None = None) -> Page:
        """Return up to `limit` jobs, newest first, older than the job `after`."""
        return self._store.page(tenant, limit=limit, after=after, state=state)

    def cancel(self, tenant: str, job_id: str) -> Job:
        """Cancel the job and return it. Raises JobNotFound or JobAlreadyFinal."""
        job = self.get(tenant, job_id)
        cancelled = self._store.change(job, lambda stored: states.cancelled(stored, self._clock(), self._timing))
        notified = self._outbox.notify(cancelled)
        self._checkpoints.discard(notified)
        return notified

    def delete(self, tenant: str, job_id: str) -> None:
        """Delete a final job, but not its images: other jobs may share them. Its webhook is delivered all the same.

        Raises JobNotFound, JobNotFinal, or StorageUnavailable, also if its webhook cannot be queued.
        """
        job = self.get(tenant, job_id)
        if not job.final:
            raise JobNotFinal
        if self._outbox.notify(job).webhook_due:
            raise StorageUnavailable("The job's webhook cannot be sent at the moment. Try again in a few seconds.")
        self._store.remove(job)
        self._checkpoints.discard(job)

    def _add(
        self,
        plan: Plan,
        tenant: str,
        fingerprint: IdempotencyFingerprint | None,
        quota: Quota,
        held: Reservation | None,
        origin: Origin,
    ) -> Submitted:
        now = self._clock()
        reserved = self._reservation(tenant, self._quotas.amount(plan, tenant), now, held, quota)
        require_affordable(reserved.amount, quota)
        job = states.submitted(
            tenant=tenant,
            job_id=reserved.id,
            request=self._inputs.keep(plan, tenant),
            steps=plan.spec.total_steps,
            now=now,
            keep_s=self._keep_s,
            timing=self._timing,
            reserved=reserved,
            origin=origin,
            version=plan.model.version,
        )
        stored = self._store.add(job, fingerprint, quota=quota, held=held)
        if stored.job_id != job.job_id:
            return Submitted(stored, replayed=True)
        self._log.submitted(stored)
        return Submitted(stored)

    def _reservation(
        self, tenant: str, amount: Amount, now: int, held: Reservation | None, quota: Quota
    ) -> Reservation:
        """Return the reservation of a new job, which is final before it counts as lost."""
        in_all = quota.all_open_jobs is not None
        if held is not None:
            return held.for_job(amount, now + round(self._keep_s * 1000), in_all=in_all)
        job_id = str(ULID.from_timestamp(now / 1000))
        return Reservation.made(tenant, job_id, amount, now_ms=now, lasts_s=self._keep_s, is_job=True, in_all=in_all)


def _is_ulid(text: str) -> bool:
    try:
        return str(ULID.from_str(text)) == text
    except ValueError:
        return False
