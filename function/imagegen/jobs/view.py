"""A job as its caller sees it.

While a job waits, it shows its place in the queue, which is all that callers learn of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import Field

from imagegen.errors import ResultExpired
from imagegen.generation.ports import ImageStore
from imagegen.generation.presign import presign
from imagegen.generation.result import ResponseModel, Result
from imagegen.jobs.backlog import Backlog
from imagegen.jobs.job import Job, JobError, Progress, State, UnreadableJob
from imagegen.jobs.ports import Clock
from imagegen.jobs.timing import Phase


class ProgressInfo(ResponseModel):
    """Progress of a queued or running job; steps are those of all its images together."""

    phase: Literal["queue", Phase] = Field(description="What the current attempt does; queue: it waits for a worker.")
    position: int | None = Field(
        description="While queued, about how many jobs are taken before this one is, itself included; null if unknown."
    )
    step: int = Field(description="Steps done by the attempt that got furthest: never falls.")
    of: int = Field(
        description="Steps in total: num_inference_steps x num_images_per_prompt, of an edit the part that is made."
    )
    percent: int = Field(description="Step in percent of `of`.")
    resumed_at: int | None = Field(
        description="The step at which the current attempt began: that of its checkpoint, or 0 if it started over; "
        "null until it has begun."
    )
    eta_ms: int | None = Field(
        description="Estimated milliseconds until the last step is done, or until a queued job starts; null if unknown."
    )
    preview: str | None = Field(
        description="A data URL of a small picture: about what the image that is being drawn will look like, new at "
        "most once a second. Only with `preview: true`; null before the first, in lists, and for models that were "
        "prepared by an earlier version."
    )


class JobInfo(ResponseModel):
    """A job with its status, progress, and result or error."""

    id: str
    status: State
    created_at: datetime
    started_at: datetime | None = Field(description="When the first attempt started.")
    finished_at: datetime | None
    expires_at: datetime = Field(description="When the job is deleted.")
    attempt: int = Field(description="Runs started: it grows each time the job starts again.")
    progress: ProgressInfo | None = Field(description="While the job is queued or runs.")
    result: Result | None = Field(description="Once it has succeeded; each response signs new URLs.")
    error: JobError | None = Field(description="Once it has failed, or its images have expired.")
    metadata: dict[str, str]

    @classmethod
    def of(
        cls, job: Job, *, progress: ProgressInfo | None, result: Result | None = None, error: JobError | None = None
    ) -> Self:
        """Return the job with its presigned result or its error."""
        return cls(
            id=job.job_id,
            status=job.state,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            expires_at=datetime.fromtimestamp(job.expires_at, UTC),
            attempt=job.runs,
            progress=progress,
            result=result,
            error=error,
            metadata=dict(job.metadata),
        )


class JobPage(ResponseModel):
    """The response of GET /jobs."""

    jobs: list[JobInfo]
    cursor: str | None = Field(description="For the next page; null on the last page.")


@dataclass(frozen=True)
class JobRenderer:
    """Renders jobs with newly signed URLs."""

    images: ImageStore
    backlog: Backlog
    clock: Clock

    def render(self, job: Job) -> JobInfo:
        """Return the job as its caller sees it. Raises ResultExpired, StorageUnavailable or UnreadableJob."""
        if job.unreadable is not None:
            raise UnreadableJob(job.unreadable)
        return JobInfo.of(job, progress=self._progress(job), result=self._result(job), error=job.error)

    def render_delivered(self, job: Job) -> JobInfo:
        """Return the job as `render` does, but report expired images as its error.

        Raises StorageUnavailable or UnreadableJob.
        """
        try:
            return self.render(job)
        except ResultExpired as error:
            return JobInfo.of(job, progress=None, error=JobError.of(error))

    def render_listed(self, job: Job) -> JobInfo:
        """Return the job as `render` does, but without a preview, which would make lists large, and report any reason
        against that as its error: others are listed too.

        Raises StorageUnavailable.
        """
        try:
            return self.render_delivered(_without_preview(job))
        except UnreadableJob as error:
            return JobInfo.of(job, progress=None, error=JobError.of(error.as_error()))

    def _result(self, job: Job) -> Result | None:
        if job.result is None:
            return None
        now = datetime.fromtimestamp(self.clock() / 1000, UTC)
        return presign(job.result, self.images, request_id=job.job_id, metadata=job.metadata, now=now)

    def _progress(self, job: Job) -> ProgressInfo | None:
        if job.final:
            return None
        position = self._position(job)
        progress = job.progress or Progress(0, 0)
        return ProgressInfo(
            phase="queue" if job.state == "queued" else job.phase or "load",
            position=position,
            step=progress.step,
            of=progress.of,
            percent=progress.percent,
            resumed_at=progress.resumed_at,
            eta_ms=_starts_in_ms(job, position, self.clock()) if job.state == "queued" else _eta_ms(job, self.clock()),
            preview=progress.preview,
        )

    def _position(self, job: Job) -> int | None:
        return self.backlog.position(job) if job.state == "queued" and job.sent else None


def _without_preview(job: Job) -> Job:
    return replace(job, progress=replace(job.progress, preview=None)) if job.progress else job


def _starts_in_ms(job: Job, position: int | None, now: int) -> int | None:
    """Return when the job starts if the queue goes on as since its submission; None until the queue has moved."""
    if job.runs or job.position is None or position is None or position >= job.position:
        return None
    waited_ms = max(0, now - round(job.created_at.timestamp() * 1000))
    return waited_ms * position // (job.position - position)


def _eta_ms(job: Job, now: int) -> int | None:
    """Return the run's estimate; None once its lease has expired, because no worker is left to meet it."""
    alive = job.lease_until is None or now < job.lease_until
    return job.progress.eta_ms if job.progress and alive else None
