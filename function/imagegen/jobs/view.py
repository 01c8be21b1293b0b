"""A job as its caller sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from pydantic import Field

from imagegen.errors import ResultExpired
from imagegen.generation.ports import ImageStore
from imagegen.generation.presign import presign
from imagegen.generation.result import ResponseModel, Result
from imagegen.jobs.job import Job, JobError, State, UnreadableJob
from imagegen.jobs.ports import Clock
from imagegen.jobs.timing import Phase


class ProgressInfo(ResponseModel):
    """Progress of a running job; steps are those of all its images together."""

    phase: Phase
    step: int
    of: int
    percent: int
    eta_ms: int | None = Field(description="estimated milliseconds until the last step is done; null until measured")


class JobInfo(ResponseModel):
    """A job with its status, progress, and result or error."""

    id: str
    status: State
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime = Field(description="when the job is deleted")
    attempt: int = Field(description="runs started; a crashed worker's job runs again")
    progress: ProgressInfo | None = Field(description="while the job runs")
    result: Result | None = Field(description="once it has succeeded; each response signs new URLs")
    error: JobError | None = Field(description="once it has failed, or its images have expired")
    metadata: dict[str, str]

    @classmethod
    def of(cls, job: Job, result: Result | None, error: JobError | None) -> Self:
        """Return the job with its presigned result or its error."""
        return cls(
            id=job.job_id,
            status=job.state,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            expires_at=datetime.fromtimestamp(job.expires_at, UTC),
            attempt=job.attempt,
            progress=_progress(job),
            result=result,
            error=error,
            metadata=dict(job.metadata),
        )


class JobPage(ResponseModel):
    """The response of GET /jobs."""

    jobs: list[JobInfo]
    cursor: str | None = Field(description="for the next page; null on the last page")


@dataclass(frozen=True)
class JobRenderer:
    """Renders jobs with newly signed URLs."""

    images: ImageStore
    clock: Clock

    def render(self, job: Job) -> JobInfo:
        """Return the job as its caller sees it. Raises ResultExpired, StorageUnavailable or UnreadableJob."""
        if (job.state == "succeeded" and job.result is None) or (job.state == "failed" and job.error is None):
            raise UnreadableJob(job.state)
        return JobInfo.of(job, self._result(job), job.error)

    def render_listed(self, job: Job) -> JobInfo:
        """Return the job as `render` does, but report expired images as its error. Raises StorageUnavailable."""
        try:
            return self.render(job)
        except ResultExpired as error:
            return JobInfo.of(job, None, JobError.of(error))

    def _result(self, job: Job) -> Result | None:
        if job.result is None:
            return None
        now = datetime.fromtimestamp(self.clock() / 1000, UTC)
        return presign(job.result, self.images, request_id=job.job_id, metadata=job.metadata, now=now)


def _progress(job: Job) -> ProgressInfo | None:
    if job.phase is None:
        return None
    progress = job.progress
    if progress is None:
        return ProgressInfo(phase=job.phase, step=0, of=0, percent=0, eta_ms=None)
    return ProgressInfo(
        phase=job.phase, step=progress.step, of=progress.of, percent=progress.percent, eta_ms=progress.eta_ms
    )
