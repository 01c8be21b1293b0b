"""The message of the webhook queue. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from imagegen.generation.request import WebhookEvent
from imagegen.generation.result import Outcome
from imagegen.jobs.job import Job, JobError
from imagegen.jobs.message import VERSION, QueueMessage
from imagegen.origin import UNKNOWN, Origin


class FinalJob(BaseModel):
    """What a webhook says about its job, without the prompt and before URLs are signed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: int
    runs: int
    result: Outcome | None = None
    error: JobError | None = None
    metadata: dict[str, str]
    origin: Origin | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the part of `job` that a webhook needs."""
        return cls(
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            expires_at=job.expires_at,
            runs=job.runs,
            result=job.result,
            error=job.error,
            metadata=dict(job.metadata),
            origin=None if job.origin == UNKNOWN else job.origin,
        )


class WebhookMessage(QueueMessage):
    """A webhook to deliver. It contains its final job, so that the caller may delete the job, but no prompt."""

    url: str
    event_type: WebhookEvent
    final_state: Literal["succeeded", "failed", "cancelled"]
    failed: Annotated[int, Field(ge=0)] | None = None
    """Attempts before this message was sent; None: none."""
    busy: Annotated[int, Field(ge=0)] | None = None
    """Times that it has waited since the last attempt because its tenant's slots were taken; None: never."""
    final_job: FinalJob | None = None
    """None in a message of version 0.1.0, and if a newer version stored the result: the job is read at delivery."""

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the message of a final job that has a webhook. Raises pydantic.ValidationError for any other job."""
        fields = {
            "version": VERSION,
            "tenant": job.tenant,
            "job_id": job.job_id,
            "url": job.webhook and job.webhook.url,
        }
        final_job = None if job.unreadable else FinalJob.of(job)
        states = {"event_type": job.event_type, "final_state": job.state, "final_job": final_job}
        return cls.model_validate(fields | states)

    @property
    def webhook_id(self) -> str:
        """The `webhook-id` header. A job becomes final once, so its id identifies the event."""
        return f"msg_{self.job_id}"

    def waiting(self, *, failed: int, busy: int = 0) -> Self:
        """Return the message to send after `failed` attempts, and after it has waited `busy` times for a slot."""
        return self.model_copy(update={"failed": failed or None, "busy": busy or None})

    @property
    def origin(self) -> Origin:
        """The request that created the job; unknown if the message does not contain its job."""
        return (self.final_job and self.final_job.origin) or UNKNOWN

    def job(self) -> Job | None:
        """Return the final job without its request, or None if the message does not contain it."""
        if self.final_job is None:
            return None
        own = type(self.final_job).model_fields.keys() - {"runs", "origin"}
        fields = {name: getattr(self.final_job, name) for name in own}
        return Job(
            tenant=self.tenant,
            job_id=self.job_id,
            request=None,
            due_at=0,
            state=self.final_state,
            attempt=self.final_job.runs,
            origin=self.origin,
            **fields,
        )
