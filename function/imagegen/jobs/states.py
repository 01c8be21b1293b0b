"""A job's state machine. Pure.

Each transition takes the job as stored and returns the job to store, or raises. The store writes the result only if the
job has not changed since (ports.JobStore.change). Every transition is idempotent, so that a write whose
acknowledgement was lost can be retried.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from imagegen.errors import JobAlreadyFinal
from imagegen.generation.pricing import charge_of
from imagegen.generation.request import GenerateRequest
from imagegen.generation.result import Outcome
from imagegen.jobs.job import Job, JobError, Progress, State
from imagegen.jobs.timing import JobTiming, Phase
from imagegen.limits.quota import Reservation
from imagegen.limits.usage import Charge
from imagegen.origin import UNKNOWN, Origin

Cause = Literal["crash", "aws_failure", "deadline", "continuation", "wait"]
"""Why a run ended early. The last three are deadlines: without progress, after the run has saved progress, and while it
waited for another job that generates the same images."""


class Refused(Exception):
    """The job's state does not allow the transition. Expected when processes compete, so not a ServiceError."""


class Held(Refused):
    """Another run holds the lease."""


class LeaseLost(Refused):
    """The run no longer owns the job: it was cancelled, deleted or taken over."""


def submitted(
    *,
    tenant: str,
    job_id: str,
    request: GenerateRequest,
    steps: int,
    now: int,
    keep_s: float,
    timing: JobTiming,
    reserved: Reservation | None = None,
    origin: Origin = UNKNOWN,
    version: str = "",
) -> Job:
    """Return a new job of `steps` steps whose message is not sent yet; it expires after `keep_s` seconds."""
    return Job(
        tenant=tenant,
        job_id=job_id,
        request=request,
        created_at=_datetime_of(now),
        expires_at=int(now / 1000 + keep_s),
        due_at=_after(now, timing.unsent_s),
        progress=Progress(0, steps),
        webhook=request.webhook,
        metadata=dict(request.metadata),
        reserved=reserved,
        origin=origin,
        version=version,
    )


def sent(
    job: Job,
    now: int,
    timing: JobTiming,
    *,
    waiting: int | None = None,
    position: int | None = None,
    delay_s: int = 0,
) -> Job:
    """Record that the job's message is in a queue of about `waiting` messages (None: unknown), visible after `delay_s`.

    `position` is its place there. A worker may have claimed the job earlier.
    """
    if job.sent or job.final:
        return job
    if job.state != "queued":
        return replace(job, sent=True)
    due_at = _after(now, delay_s + _unclaimed_s(job, timing, waiting))
    first = position if job.position is None else job.position
    return replace(job, sent=True, listed=not delay_s, due_at=due_at, position=first)


def unlisted(job: Job) -> Job:
    """Take a job that does not wait off the list: a version that does not know the list has left it there."""
    return job if job.state == "queued" else replace(job, listed=False)


def redeemed(job: Job) -> Job:
    """Record that the job's own message is used for another job."""
    return replace(job, traded=False)


def claimed(job: Job, owner: str, now: int, timing: JobTiming, *, traded: bool = False) -> Job:
    """Start a run with a lease for `owner`, `traded` if with the message of another job. Raises JobAlreadyFinal.

    Raises Held if another run holds the lease, or if no attempts are left, which only the sweeper handles.
    """
    if job.state == "running" and job.owner == owner:
        return job
    _require_not_final(job)
    if job.state == "running" and (now < (job.lease_until or 0) or exhausted(job, timing)):
        raise Held
    lease_until = _after(now, timing.lease_s)
    return replace(
        job,
        state="running",
        listed=False,
        traded=job.traded or traded,
        attempt=job.attempt + 1,
        owner=owner,
        lease_until=lease_until,
        due_at=lease_until,
        resends=0,
        position=None,
        phase="load",
        progress=_reached(job),
        started_at=job.started_at or _datetime_of(now),
    )


def renewed(
    job: Job, owner: str, now: int, timing: JobTiming, *, phase: Phase, phase_began: int, progress: Progress | None
) -> Job:
    """Extend the lease, up to the ceiling of its phase, and record the progress. Raises LeaseLost.

    Only by half a renewal or more: each extension is two writes to an index, and progress is written every second.
    """
    _require_owner(job, owner)
    held_until, ceiling = job.lease_until or 0, _after(phase_began, timing.ceiling_s(phase))
    extended = min(_after(now, timing.lease_s), ceiling)
    lease_until = extended if extended >= _after(held_until, timing.renew_s / 2) else held_until
    furthest = _furthest(job.progress, progress)
    return replace(job, lease_until=lease_until, due_at=lease_until, phase=phase, progress=furthest)


def requeued(job: Job, owner: str, now: int, timing: JobTiming, cause: Cause, progress: Progress | None = None) -> Job:
    """Queue the job again, its message not sent yet. Only a crash uses an attempt. Raises LeaseLost.

    `progress` is that of the run.
    """
    if job.state == "queued" and job.owner == owner:
        return job
    _require_owner(job, owner)
    return replace(
        job,
        state="queued",
        sent=False,
        listed=False,
        attempt=job.attempt - (cause != "crash"),
        aws_failures=job.aws_failures + (cause == "aws_failure"),
        deadline_requeues=job.deadline_requeues + (cause == "deadline"),
        continuations=job.continuations + (cause == "continuation"),
        waits=job.waits + (cause == "wait"),
        lease_until=None,
        due_at=_after(now, timing.unsent_s),
        phase=None,
        progress=_reached(replace(job, progress=_furthest(job.progress, progress))),
    )


def succeeded(job: Job, owner: str, now: int, timing: JobTiming, result: Outcome) -> Job:
    """End the job with `result`. Raises LeaseLost."""
    if job.state == "succeeded" and job.owner == owner:
        return job
    _require_owner(job, owner)
    return _ended(replace(job, result=result), "succeeded", now, timing)


def failed(job: Job, now: int, timing: JobTiming, error: JobError, *, owner: str | None = None) -> Job:
    """Fail the job permanently: as the run `owner`, or without an owner if no run holds the lease.

    Raises LeaseLost with an owner, Held or JobAlreadyFinal without one.
    """
    if job.state == "failed" and owner is not None and job.owner == owner:
        return job
    if owner is not None:
        _require_owner(job, owner)
    else:
        _require_not_final(job)
        if job.state == "running" and now < (job.lease_until or 0):
            raise Held
    return _ended(replace(job, error=error), "failed", now, timing)


def cancelled(job: Job, now: int, timing: JobTiming) -> Job:
    """Cancel the job immediately; its run stops when it next writes progress. Raises JobAlreadyFinal."""
    if job.state == "cancelled":
        return job
    _require_not_final(job)
    return _ended(job, "cancelled", now, timing)


def notified(job: Job) -> Job:
    """Record that the message about the final state is in the webhook queue."""
    return replace(job, notified=True, due_at=1000 * job.expires_at) if job.webhook_due else job


def recovered(job: Job, now: int, timing: JobTiming, gave_up: JobError, *, waiting: int | None = None) -> Job:
    """Queue a due job again, or fail it with `gave_up` if it is exhausted or expires soon. Others are unchanged.

    A first run whose message may be one of the `waiting` ones (None: unknown) is examined again later instead.
    """
    if job.final or now < job.due_at:
        return job
    expires_soon = _after(now, 2 * timing.resend_s) > 1000 * job.expires_at  # leave time to deliver the final state
    if expires_soon or (job.state == "running" and exhausted(job, timing)):
        return _ended(replace(job, error=gave_up), "failed", now, timing)
    unclaimed = job.state == "queued" and job.sent
    job = replace(job, resends=job.resends + unclaimed)
    later = timing.unclaimed_s(job.resends, waiting or 0)
    if unclaimed and job.attempt == 0 and waiting != 0 and timing.unclaimed_s(job.resends) < timing.resend_s:
        return replace(job, due_at=_after(now, later))
    return replace(
        job,
        state="queued",
        sent=False,
        listed=False,
        owner=None,
        lease_until=None,
        due_at=_after(now, timing.unsent_s),
        phase=None,
        progress=_reached(job),
    )


def exhausted(job: Job, timing: JobTiming, cause: Cause = "crash") -> bool:
    """Return whether no further run is allowed if the current one ends because of `cause`."""
    match cause:
        case "crash":
            return job.attempt >= timing.max_attempts
        case "deadline":
            return job.deadline_requeues >= timing.max_deadline_requeues
        case "continuation":
            return job.continuations >= timing.max_continuations
        case "wait":  # the other job's limits end it
            return False
        case "aws_failure":
            return job.aws_failures >= timing.max_aws_failures


def charge(job: Job) -> Charge | None:
    """Return what the job costs its tenant; None unless it succeeded."""
    if job.state != "succeeded" or job.result is None:
        return None
    return charge_of(job.result).within(job.reserved.amount if job.reserved else None)


def bill(job: Job, charge: Charge) -> dict[str, Any]:
    """Return the bill of a job that has succeeded. It is written in the same transaction, so exactly once."""
    return charge.bill(job.quota_month) | {"revision": job.revision}


def estimate(step: int, of: int, measured_steps: int, measured_ms: int, resumed_at: int | None = None) -> Progress:
    """Return the progress after `step` steps of a run that began with step `resumed_at`.

    `measured_steps` steps took `measured_ms` milliseconds, which is negative if the clock was set back meanwhile. The
    run's first step is not one of them: it alone includes compiling.
    """
    eta_ms = max(0, measured_ms) * (of - step) // measured_steps if measured_steps else None
    return Progress(step, of, eta_ms, resumed_at)


def _unclaimed_s(job: Job, timing: JobTiming, waiting: int | None) -> float:
    """Return how long the job may stay unclaimed. A job whose run died does not wait for the length of the queue."""
    if job.attempt > 0:
        return timing.unclaimed_s(job.resends)
    return timing.resend_s if waiting is None else timing.unclaimed_s(job.resends, waiting)


def _reached(job: Job) -> Progress | None:
    """Return the job's progress without what was true only of a run that has ended."""
    return replace(job.progress, eta_ms=None, resumed_at=None) if job.progress else None


def _furthest(reached: Progress | None, progress: Progress | None) -> Progress | None:
    """Return the progress that is further, so that it never falls, and the current run's estimate.

    A preview stays until there is another: most progress has none.
    """
    if reached is None or progress is None:
        return progress or reached
    if progress.step * reached.of >= reached.step * progress.of:
        return replace(progress, preview=progress.preview or reached.preview)
    return replace(reached, eta_ms=progress.eta_ms, resumed_at=progress.resumed_at)


def _ended(job: Job, state: State, now: int, timing: JobTiming) -> Job:
    ended = replace(
        job, state=state, listed=False, lease_until=None, phase=None, progress=None, finished_at=_datetime_of(now)
    )
    return replace(ended, due_at=_after(now, timing.unsent_s) if ended.webhook_due else 1000 * ended.expires_at)


def _require_owner(job: Job, owner: str) -> None:
    if job.state != "running" or job.owner != owner:
        raise LeaseLost


def _require_not_final(job: Job) -> None:
    if job.final:
        raise JobAlreadyFinal(f"The job's status is already final: {job.state}.")


def _after(now: int, seconds: float) -> int:
    return now + round(seconds * 1000)


def _datetime_of(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=epoch_ms)
