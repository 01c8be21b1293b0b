"""A job's data. Pure; states.py has its transitions, aws/job_item.py its encoding in the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal, Self, get_args

from pydantic.json_schema import SkipJsonSchema

from imagegen.errors import InternalError, ServiceError
from imagegen.generation.request import GenerateRequest, Webhook
from imagegen.generation.result import FIELD, FOUND, JUDGED, Outcome, ResponseModel
from imagegen.jobs.timing import Phase
from imagegen.limits.quota import Reservation
from imagegen.origin import UNKNOWN, Origin

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: Final[tuple[State, ...]] = get_args(State)
FINAL: Final[frozenset[State]] = frozenset({"succeeded", "failed", "cancelled"})


class JobError(ResponseModel):
    """Why a job failed; the fields are those of a problem document."""

    code: str
    status: int
    detail: str
    stage: Annotated[str | SkipJsonSchema[None], JUDGED] = None
    category: Annotated[str | SkipJsonSchema[None], FOUND] = None
    field: Annotated[str | SkipJsonSchema[None], FIELD] = None

    @classmethod
    def of(cls, error: ServiceError) -> Self:
        """Return the part of `error` that a job stores."""
        return cls(
            code=error.public_code,
            status=error.status,
            detail=error.detail,
            stage=error.members.get("stage"),
            category=error.members.get("category"),
            field=error.errors[0].field if error.errors else None,
        )

    @property
    def members(self) -> dict[str, str]:
        """Members of the problem document that only this error has."""
        return {name: value for name, value in (("stage", self.stage), ("category", self.category)) if value}

    @property
    def caused_by_request(self) -> bool:
        """Whether an error class with this code is `caused_by_request`; False for a code of another version."""
        classes = _subclasses(ServiceError)
        return any(each.caused_by_request for each in classes if vars(each).get("code") == self.code)  # no base class


class UnreadableJob(Exception):
    """A newer version stored a part of the job that is needed here and that this version cannot read.

    `part` is the name of a field or attribute; it contains no value.
    """

    def __init__(self, part: str):
        super().__init__(part)
        self.part = part

    def as_error(self) -> InternalError:
        """Return what the caller learns. The job itself has not failed."""
        detail = "A newer version of the service stored this job. Ask again once the service is updated."
        return InternalError(detail, private=f"unreadable: {self.part}")


@dataclass(frozen=True)
class Progress:
    """Denoising steps done, over all images, by the run that got furthest.

    `eta_ms` and `resumed_at`, the step at which it began, are those of the current run. They are None until a step has
    been measured, and until the run has begun. `preview` is the last one that was drawn, a data URL.
    """

    step: int
    of: int
    eta_ms: int | None = None
    resumed_at: int | None = None
    preview: str | None = None

    @property
    def percent(self) -> int:
        """Steps done, in percent, rounded down; 0 before the first step."""
        return 100 * self.step // self.of if self.of else 0


@dataclass(frozen=True)
class Job:
    """A job as stored. Times are epoch milliseconds, except the three that callers see."""

    tenant: str
    job_id: str
    request: GenerateRequest | None
    """With its seed. None if a newer version stored a request that this version cannot read."""
    created_at: datetime
    expires_at: int
    """Epoch seconds. An expired job counts as deleted, even while it is still in the table."""
    due_at: int
    """When the sweeper must examine the job. Until then it should be sent, claimed, renewed, notified or deleted."""
    state: State = "queued"
    sent: bool = False
    """Whether its message is in the queue. Never true for a job that POST /generate runs directly."""
    listed: bool = False
    """Whether any worker may run it (turns.py), whichever message it received. Not if its message is delayed: then only
    that one starts it."""
    traded: bool = False
    """Whether the message of another job started a run of it, so that its own stands for a job that waits."""
    attempt: int = 0
    """Runs started, except those that an AWS failure or their deadline ended."""
    aws_failures: int = 0
    """Runs that an AWS failure ended."""
    deadline_requeues: int = 0
    """Runs that their deadline ended before they had saved progress."""
    continuations: int = 0
    """Runs that their deadline ended after they had saved progress."""
    waits: int = 0
    """Runs that their deadline ended while they waited for another job that generates the same images."""
    resends: int = 0
    """Times that the sweeper found the job sent and unclaimed since its last run."""
    position: int | None = None
    """Its place in the queue when it was first sent, itself included. None if unknown, and once a run has started."""
    owner: str | None = None
    """Token of the run that holds the lease, or that finished the job."""
    lease_until: int | None = None
    phase: Phase | None = None
    progress: Progress | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Outcome | None = None
    error: JobError | None = None
    webhook: Webhook | None = None
    notified: bool = False
    """Whether the message about its final state is in the webhook queue."""
    revision: str = ""
    """Changes with every write: the condition of the next write, and how a write recognizes its own effect."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    reserved: Reservation | None = None
    """What it holds of its tenant's quota until it is final. None for a job of a version without quotas."""
    origin: Origin = UNKNOWN
    """Set when the job is stored, and kept."""
    version: str = ""
    """The version of the model that it runs on, from its submission on. Empty for a job of an earlier release."""

    @property
    def quota_month(self) -> str:
        """The month, in UTC, that its cost counts in."""
        return self.reserved.month if self.reserved else self.created_at.strftime("%Y-%m")

    @property
    def runs(self) -> int:
        """Runs started, however they ended."""
        ended_early = self.aws_failures + self.deadline_requeues + self.continuations + self.waits
        return self.attempt + ended_early

    @property
    def final(self) -> bool:
        """Whether the job has succeeded, failed or been cancelled."""
        return self.state in FINAL

    @property
    def unreadable(self) -> str | None:
        """The part of a final job, `result` or `error`, that this version cannot read, or None."""
        if self.state == "succeeded" and self.result is None:
            return "result"
        return "error" if self.state == "failed" and self.error is None else None

    @property
    def repeatable(self) -> bool:
        """Whether the service failed it, so that its Idempotency-Key does not keep it: a retry is a new job."""
        return self.state == "failed" and self.error is not None and not self.error.caused_by_request

    @property
    def webhook_due(self) -> bool:
        """Whether the message about its final state must still be queued."""
        return self.final and not self.notified and self._wants_webhook

    @property
    def done(self) -> bool:
        """Whether nothing is left to do except delete it."""
        return self.final and not self.webhook_due

    @property
    def event_type(self) -> str:
        """The webhook event of its state, such as `job.succeeded`."""
        return f"job.{self.state}"

    @property
    def _wants_webhook(self) -> bool:
        return self.webhook is not None and self.event_type in self.webhook.events


def _subclasses(base: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for error in base.__subclasses__():
        yield error
        yield from _subclasses(error)
