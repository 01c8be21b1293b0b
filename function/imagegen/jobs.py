"""A job's life: its states, who may change them and when. Pure.

Each transition takes the job as it is stored and gives the job as it shall be stored, or raises; the store writes it
only if nothing came between (ports.JobStore.change). Each gives the same answer when it is applied to its own result,
so that a write whose acknowledgement was lost can simply be tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from imagegen.errors import JobAlreadyFinal

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Phase = Literal["load", "step", "decode"]
Cause = Literal["crash", "setback", "deadline"]
"""What ended a run early: itself, AWS, or the time that its function may take."""
FINAL: Final[frozenset[State]] = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Limits:
    """Times in seconds; tests shorten them."""

    lease_s: float = 20
    """A dead worker's job is noticed after that. Four renewals: three may fail before a living worker loses it."""
    renew_s: float = 5
    progress_s: float = 1
    """Least time between two writes of progress, each of which also tells whether the job was cancelled."""
    load_s: float = 300
    """Ceilings, per phase, after which a worker counts as hung. SDXL loaded in 14 s, its slowest step took 36 s, its
    slowest decoding 30 s (docs/decisions.md): four to twenty times that."""
    step_s: float = 150
    decode_s: float = 150
    max_attempts: int = 6
    """Runs that may end without a word. Were one run in twenty killed, one job in 64 million would fail for it."""
    max_hand_ons: int = 3
    """Runs that may end at their deadline. The first may have had no more than POST /generate's 28 s; a worker's 900 s
    may once have gone into loading, compiling or waiting for who draws the same, and once have met a slow processor.
    A fourth run that does not fit says that none will: at most an hour of work, 0.60 USD at 10,240 MB."""
    unsent_s: float = 15
    """How long whoever wrote a job may take to send its message before the sweeper sends it."""
    resend_s: float = 3600
    """After which an unclaimed job is sent again: the queue keeps a message for days, but nothing else is watching."""
    max_setbacks: int = 60
    """Runs that AWS's failures may end: half a day of nothing else, by the pauses between them. Were three runs of four
    so ended, one job in 40 million would fail for it. They are counted, not timed from the first: what waits in a long
    queue between two runs is nobody's failure."""
    longest_pause_s: int = 900
    """Before the next run, where AWS's failures ended those before. SQS delays no longer."""

    def ceiling_s(self, phase: Phase) -> float:
        return {"load": self.load_s, "step": self.step_s, "decode": self.decode_s}[phase]


@dataclass(frozen=True)
class Progress:
    """Denoising steps done, of all images together; `eta_ms` is absent until a step has been measured."""

    step: int
    of: int
    eta_ms: int | None = None

    @property
    def percent(self) -> int:
        return 100 * self.step // self.of


@dataclass(frozen=True)
class Job:
    """One piece of work, as it is stored. Moments are epoch milliseconds, but for the three that callers see."""

    tenant: str
    job_id: str
    request: Mapping[str, Any]
    """The caller's request with its seed, as JSON."""
    created_at: datetime
    expires_at: int
    """Epoch seconds. An expired job that is still there counts as gone."""
    due_at: int
    """When the sweeper must look at it: somebody should have worked on it or told of it by then, or it expires."""
    state: State = "queued"
    sent: bool = False
    """Whether the queue has taken its message; never where POST /generate runs it itself."""
    attempt: int = 0
    """Runs begun, but for those that a failure of AWS or their deadline ended."""
    setbacks: int = 0
    """Runs that a failure of AWS ended."""
    hand_ons: int = 0
    """Runs that their deadline ended."""
    owner: str | None = None
    """Token of the run that has it, or that finished it."""
    lease_until: int | None = None
    phase: Phase | None = None
    progress: Progress | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    """The problem's code, status and detail."""
    webhook: Mapping[str, Any] | None = None
    notified: bool = False
    """Whether the webhook's queue has taken the final state."""
    revision: str = ""
    """Another one with every write: the condition of the next, and how a write knows its own trace."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def webhook_due(self) -> bool:
        return self.final and not self.notified and self._wants_webhook

    @property
    def done_with(self) -> bool:
        """Nothing is left to do but to forget it."""
        return self.final and not self.webhook_due

    @property
    def event_type(self) -> str:
        return f"job.{self.state}"

    @property
    def _wants_webhook(self) -> bool:
        events = (self.webhook or {}).get("events")
        return self.webhook is not None and (not events or self.event_type in events)


class Refused(Exception):
    """A transition that the job's state does not allow now; nobody's fault."""


class Held(Refused):
    """Somebody else is running it."""


class LeaseLost(Refused):
    """It is no longer this run's: cancelled, deleted, or taken over."""


def submitted(
    *,
    tenant: str,
    job_id: str,
    request: Mapping[str, Any],
    now: int,
    keep_s: float,
    limits: Limits,
    webhook: Mapping[str, Any] | None = None,
) -> Job:
    """A new job, not yet sent; it is kept for `keep_s` seconds."""
    return Job(
        tenant=tenant,
        job_id=job_id,
        request=request,
        created_at=_moment(now),
        expires_at=int(now / 1000 + keep_s),
        due_at=_after(now, limits.unsent_s),
        webhook=webhook,
        metadata=dict(request.get("metadata", {})),
    )


def sent(job: Job, now: int, limits: Limits) -> Job:
    """The queue has taken its message. A worker may have been quicker than whoever notes it."""
    if job.sent or job.final:
        return job
    return replace(job, sent=True, due_at=_after(now, limits.resend_s) if job.state == "queued" else job.due_at)


def claimed(job: Job, owner: str, now: int, limits: Limits) -> Job:
    """Running, under a lease of `owner`. Raises Held, also where the sweeper has the last word, or JobAlreadyFinal."""
    if job.state == "running" and job.owner == owner:
        return job
    _require_not_final(job)
    if job.state == "running" and (now < (job.lease_until or 0) or exhausted(job, limits)):
        raise Held
    lease_until = _after(now, limits.lease_s)
    return replace(
        job,
        state="running",
        attempt=job.attempt + 1,
        owner=owner,
        lease_until=lease_until,
        due_at=lease_until,
        phase="load",
        progress=None,
        started_at=job.started_at or _moment(now),
    )


def renewed(
    job: Job, owner: str, now: int, limits: Limits, *, phase: Phase, phase_began: int, progress: Progress | None
) -> Job:
    """The lease made longer, never beyond its phase's ceiling, and what is known of the progress. Raises LeaseLost."""
    _require_owner(job, owner)
    ceiling = _after(phase_began, limits.ceiling_s(phase))
    lease_until = max(job.lease_until or 0, min(_after(now, limits.lease_s), ceiling))
    return replace(job, lease_until=lease_until, due_at=lease_until, phase=phase, progress=progress)


def handed_on(job: Job, owner: str, now: int, limits: Limits, cause: Cause) -> Job:
    """Queued again, to be sent. Only a crash uses up an attempt. Raises LeaseLost."""
    if job.state == "queued" and job.owner == owner:
        return job
    _require_owner(job, owner)
    return replace(
        job,
        state="queued",
        sent=False,
        attempt=job.attempt - (cause != "crash"),
        setbacks=job.setbacks + (cause == "setback"),
        hand_ons=job.hand_ons + (cause == "deadline"),
        lease_until=None,
        due_at=_after(now, limits.unsent_s),
        phase=None,
        progress=None,
    )


def succeeded(job: Job, owner: str, now: int, limits: Limits, result: Mapping[str, Any]) -> Job:
    """Raises LeaseLost."""
    if job.state == "succeeded" and job.owner == owner:
        return job
    _require_owner(job, owner)
    return _ended(replace(job, result=result), "succeeded", now, limits)


def failed(job: Job, now: int, limits: Limits, error: Mapping[str, Any], *, owner: str | None = None) -> Job:
    """Failed for good: by the run that has it (raises LeaseLost), or by whoever finds that nobody has.

    Raises Held, JobAlreadyFinal.
    """
    if job.state == "failed" and owner is not None and job.owner == owner:
        return job
    if owner is not None:
        _require_owner(job, owner)
    else:
        _require_not_final(job)
        if job.state == "running" and now < (job.lease_until or 0):
            raise Held
    return _ended(replace(job, error=error), "failed", now, limits)


def cancelled(job: Job, now: int, limits: Limits) -> Job:
    """Final at once: whoever runs it learns so at its next step. Raises JobAlreadyFinal."""
    if job.state == "cancelled":
        return job
    _require_not_final(job)
    return _ended(job, "cancelled", now, limits)


def notified(job: Job) -> Job:
    """The webhook's queue has taken the final state."""
    return replace(job, notified=True, due_at=1000 * job.expires_at) if job.webhook_due else job


def revived(job: Job, now: int, limits: Limits, gave_up: Mapping[str, Any]) -> Job:
    """What the sweeper makes of a job that is due: to be sent anew, or failed with `gave_up`. Others stay the same."""
    if job.final or now < job.due_at:
        return job
    expires_soon = _after(now, 2 * limits.resend_s) > 1000 * job.expires_at  # its end must be told before it is gone
    if expires_soon or (job.state == "running" and exhausted(job, limits)):
        return _ended(replace(job, error=gave_up), "failed", now, limits)
    return replace(
        job,
        state="queued",
        sent=False,
        owner=None,
        lease_until=None,
        due_at=_after(now, limits.unsent_s),
        phase=None,
        progress=None,
    )


def exhausted(job: Job, limits: Limits, cause: Cause = "crash") -> bool:
    """Whether the run under way is the last one, should it end so."""
    match cause:
        case "crash":
            return job.attempt >= limits.max_attempts
        case "deadline":
            return job.hand_ons >= limits.max_hand_ons
        case "setback":
            return job.setbacks >= limits.max_setbacks


def bill(job: Job) -> dict[str, Any]:
    """What a succeeded job cost; others are not billed. Written with the state, so there is one or none."""
    result = job.result or {}
    return {
        "images": len(result["images"]),
        "billed_ms": result["cost"]["billed_ms"],
        "usd": str(result["cost"]["usd"]),
        "revision": job.revision,
    }


def backoff_s(setbacks: int, limits: Limits) -> int:
    """Seconds before the run after so many failures of AWS: 1, 2, 4 ... up to `longest_pause_s`."""
    return min(limits.longest_pause_s, 1 << max(0, min(setbacks, 16) - 1))


def estimate(step: int, of: int, since_first_ms: int) -> Progress:
    """Progress after `step` steps, the first of which ended `since_first_ms` ago: it alone compiles and warms up."""
    if step < 2:
        return Progress(step, of)
    return Progress(step, of, eta_ms=since_first_ms * (of - step) // (step - 1))


def _ended(job: Job, state: State, now: int, limits: Limits) -> Job:
    ended = replace(job, state=state, lease_until=None, phase=None, progress=None, finished_at=_moment(now))
    return replace(ended, due_at=_after(now, limits.unsent_s) if ended.webhook_due else 1000 * ended.expires_at)


def _require_owner(job: Job, owner: str) -> None:
    if job.state != "running" or job.owner != owner:
        raise LeaseLost


def _require_not_final(job: Job) -> None:
    if job.final:
        raise JobAlreadyFinal(f"The job has already {job.state}." if job.state != "cancelled" else "It is cancelled.")


def _after(now: int, seconds: float) -> int:
    return now + round(seconds * 1000)


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=epoch_ms)
