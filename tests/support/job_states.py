"""Jobs in the states that unit tests start from."""

from __future__ import annotations

from imagegen import jobs
from imagegen.jobs import Job, Limits

LIMITS = Limits()
NOW = 1_800_000_000_000
RESULT = {"images": [{"key": "images/alice/0/0.png"}], "cost": {"billed_ms": 7, "usd": 0.25}}
JOB_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def new(**webhook: object) -> Job:
    return jobs.submitted(
        tenant="alice", job_id=JOB_ID, request={"prompt": "x"}, now=NOW, keep_s=7 * 86_400, limits=LIMITS,
        webhook=webhook or None,
    )  # fmt: skip


def running(owner: str = "me") -> Job:
    return jobs.claimed(new(), owner, NOW, LIMITS)


def renewed_at(job: Job, second: float, phase: jobs.Phase = "load", began: float = 0) -> Job:
    now, phase_began = NOW + round(second * 1000), NOW + round(began * 1000)
    return jobs.renewed(job, "me", now, LIMITS, phase=phase, phase_began=phase_began, progress=None)
