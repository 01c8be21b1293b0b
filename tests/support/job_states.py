"""Jobs in the states that unit tests start from."""

from __future__ import annotations

from datetime import UTC, datetime

from imagegen.generation.request import GenerateRequest
from imagegen.generation.result import Cost, KeptImage, Outcome, Timings
from imagegen.jobs import states
from imagegen.jobs.job import Job, JobError
from imagegen.jobs.timing import JobTiming, Phase

TIMING = JobTiming()
NOW = 1_800_000_000_000
JOB_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
IMAGE = KeptImage(
    key="images/alice/0/0.png",
    seed=7,
    width=128,
    height=128,
    content_type="image/png",
    bytes=3391,
    sha256="ab" * 32,
    kept_until=datetime(2027, 1, 22, tzinfo=UTC),
)
RESULT = Outcome(
    model="demo",
    images=[IMAGE],
    cached=False,
    cold_start=False,
    timings=Timings(total_ms=7),
    cost=Cost(billed_ms=7, memory_mb=10240, usd=0.25),
    warnings=[],
)
ERROR = JobError(code="internal_error", status=500, detail="It failed.")


def new(**webhook: object) -> Job:
    request = GenerateRequest.parse({"prompt": "x", **({"webhook": webhook} if webhook else {})})
    return states.submitted(
        tenant="alice", job_id=JOB_ID, request=request, steps=25, now=NOW, keep_s=7 * 86_400, timing=TIMING
    )


def running(owner: str = "me") -> Job:
    return states.claimed(new(), owner, NOW, TIMING)


def renewed_at(job: Job, second: float, phase: Phase = "load", began: float = 0) -> Job:
    now, phase_began = NOW + round(second * 1000), NOW + round(began * 1000)
    return states.renewed(job, "me", now, TIMING, phase=phase, phase_began=phase_began, progress=None)
