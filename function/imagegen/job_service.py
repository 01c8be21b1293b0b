"""The story of a job: submit, look, cancel, delete; run, hand on; sweep up what was left behind.

Covered: a caller, worker or sweeper that dies between any two lines; a write whose acknowledgement is lost; messages
that come twice, late, never or to two workers at once. Not covered: a request that was refused or got no answer, which
the caller repeats, with an Idempotency-Key lest two jobs come of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ulid import ULID

from imagegen import jobs
from imagegen.deadline import Deadline
from imagegen.errors import (
    GenerationTimeout,
    GenerationTooLong,
    IdempotencyInProgress,
    InternalError,
    JobAlreadyFinal,
    JobNotFinal,
    JobNotFound,
    ResultExpired,
    ServiceError,
    StorageUnavailable,
)
from imagegen.idempotency import KeyedBody
from imagegen.insist import insist
from imagegen.job_run import Run
from imagegen.jobs import Cause, Job, Limits, Refused, State
from imagegen.ports import Backend, Clock, ImageStore, JobQueue, JobStore, WebhookQueue
from imagegen.registry import Model
from imagegen.request import GenerateRequest, draw_seed, find, resolve
from imagegen.result import JobInfo, Outcome, Result
from imagegen.signing import signed

if TYPE_CHECKING:
    from imagegen.service import ImageService  # Pillow: not in the zip functions

HAND_ON_S: Final = 3.0
"""Kept of a function's time for handing a run on: two writes and a message, each with its retries."""

SWEPT: Final = 1000
"""Jobs that one sweep looks at; the next minute brings another."""


@dataclass(frozen=True)
class Offer:
    """What may be asked for, so that a job is refused when it is submitted and not when it runs."""

    models: Mapping[str, Model]
    default_model_id: str
    backend_for: Callable[[str], Backend]

    def settle(self, request: GenerateRequest) -> GenerateRequest:
        """The request with its seed. Raises ModelNotFound or InvalidRequest."""
        seed = draw_seed() if request.seed is None else request.seed
        generation = resolve(request, find(self.models, request.model, self.default_model_id), seed)
        self.backend_for(generation.scheduler)
        # A seed that nobody gave must not find what `cache` would look for.
        return request.model_copy(update={"seed": seed})


@dataclass
class Swept:
    """Jobs that were seen to, and the ids of those that were given up."""

    jobs: int = 0
    given_up: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Submitted:
    """`replayed` tells that the Idempotency-Key's earlier job stands for this one."""

    job: Job
    replayed: bool = False


class JobService:
    """Keeps the jobs. Needs no engine, but for `run_job` and `run_now`, which are given one."""

    def __init__(
        self,
        *,
        offer: Offer,
        store: JobStore,
        queue: JobQueue,
        webhooks: WebhookQueue,
        images: ImageStore,
        keep_s: float,
        clock: Clock,
        on_crash: Callable[[BaseException], None],
        limits: Limits | None = None,
    ):
        self._offer = offer
        self._store = store
        self._queue = queue
        self._webhooks = webhooks
        self._images = images
        self._keep_s = keep_s
        self._clock = clock
        self._on_crash = on_crash
        self._limits = limits or Limits()

    # -- callers -------------------------------------------------------------------------------------------------------

    def submit(self, request: GenerateRequest, *, tenant: str, keyed: KeyedBody | None = None) -> Submitted:
        """Accept work. Once the row is written it is never lost: the sweeper sends what could not be sent here.

        Raises ModelNotFound, InvalidRequest, IdempotencyKeyReuse, ResultExpired or StorageUnavailable.
        """
        submitted = self._add(request, tenant, keyed)
        return submitted if submitted.replayed else Submitted(self._send(submitted.job))

    def run_now(
        self,
        request: GenerateRequest,
        *,
        tenant: str,
        keyed: KeyedBody | None,
        service: ImageService,
        deadline: Deadline,
    ) -> Submitted:
        """A job that is run at once, here: how POST /generate has its answer kept for a key, and told to a webhook.

        Raises as `submit` does, and IdempotencyInProgress.
        """
        submitted = self._add(request, tenant, keyed)
        job = submitted.job
        if submitted.replayed:
            if not (job.final or job.sent):
                raise IdempotencyInProgress("The first request with this Idempotency-Key is still at work.")
            return submitted
        # Where somebody else ended it meanwhile, only the table knows how.
        return Submitted(self._run(job, service, deadline) or self.get(tenant, job.job_id))

    def get(self, tenant: str, job_id: str) -> Job:
        """Raises JobNotFound, whatever the reason."""
        job = self._store.get(tenant, job_id) if _is_ulid(job_id) else None
        if job is None:
            raise JobNotFound
        return job

    def list(
        self, tenant: str, *, limit: int, after: str | None = None, state: State | None = None
    ) -> tuple[Sequence[Job], str | None]:
        """A page of jobs, newest first, and where the next begins."""
        page = self._store.page(tenant, limit=limit, after=after, state=state)
        return page.jobs, page.last

    def cancel(self, tenant: str, job_id: str) -> Job:
        """Raises JobNotFound or JobAlreadyFinal."""
        job = self.get(tenant, job_id)
        return self._notify(self._store.change(job, lambda seen: jobs.cancelled(seen, self._clock(), self._limits)))

    def delete(self, tenant: str, job_id: str) -> None:
        """Raises JobNotFound or JobNotFinal. Images stay: other jobs may share them."""
        job = self.get(tenant, job_id)
        if not job.final:
            raise JobNotFinal("The job has not finished; cancel it first.")
        self._store.remove(job)

    def describe(self, job: Job) -> JobInfo:
        """The job as its caller sees it, its URLs signed now. Raises ResultExpired or StorageUnavailable."""
        return JobInfo.of(job, self._result(job), job.error)

    def summarize(self, job: Job) -> JobInfo:
        """As `describe`, but images that have expired are told as the job's error. Raises StorageUnavailable."""
        try:
            return self.describe(job)
        except ResultExpired as error:
            return JobInfo.of(job, None, _problem(error))

    def _result(self, job: Job) -> Result | None:
        if job.result is None:
            return None
        outcome, now = Outcome.model_validate(job.result), datetime.fromtimestamp(self._clock() / 1000, UTC)
        return signed(outcome, self._images, request_id=job.job_id, metadata=job.metadata, now=now)

    # -- workers -------------------------------------------------------------------------------------------------------

    def run_job(self, tenant: str, job_id: str, service: ImageService, deadline: Deadline) -> Job | None:
        """Do what a message asks for; the job as it ended, or None where it is done, gone, or somebody else's.

        Raises StorageUnavailable or GenerationTimeout where it could not even begin: the message shall come again.
        """
        deadline.require(HAND_ON_S)
        job = insist(lambda: self._store.get(tenant, job_id))
        if job is None or job.final:
            return None
        return self._run(job, service, deadline)

    def dead_letter(self, tenant: str, job_id: str) -> bool:
        """A message that no worker could take: its job has failed, unless it is done or somebody is at it."""
        job = self._store.get(tenant, job_id)
        if job is None:
            return False
        with suppress(Refused, JobAlreadyFinal, JobNotFound):
            error = _problem(InternalError())
            self._notify(self._store.change(job, lambda seen: jobs.failed(seen, self._clock(), self._limits, error)))
            return True
        return False

    def sweep(self, deadline: Deadline) -> Swept:
        """See to every job that is due: send it, run it again, give it up, or tell its caller."""
        swept = Swept()
        for tenant, job_id in self._store.due(SWEPT):
            if deadline.left() < HAND_ON_S:
                break
            swept.jobs += 1
            try:
                if self._sweep(tenant, job_id):
                    swept.given_up.append(job_id)
            except (StorageUnavailable, JobNotFound):
                continue  # the next minute sees to it
            except Exception as error:  # a row that nobody can read must not stop the others
                self._on_crash(error)
        return swept

    def _sweep(self, tenant: str, job_id: str) -> bool:
        """Whether the job was given up."""
        job = self._store.get(tenant, job_id)
        if job is None:
            self._store.forget(tenant, job_id)
            return False
        was_final, gave_up = job.final, _problem(InternalError())
        job = self._store.change(job, lambda seen: jobs.revived(seen, self._clock(), self._limits, gave_up))
        if job.state == "queued" and not job.sent:
            self._send(job)
        self._notify(job)
        return job.state == "failed" and not was_final

    # -- steps of the story --------------------------------------------------------------------------------------------

    def _add(self, request: GenerateRequest, tenant: str, keyed: KeyedBody | None) -> Submitted:
        job = jobs.submitted(
            tenant=tenant,
            job_id=str(ULID.from_timestamp(self._clock() / 1000)),
            request=self._offer.settle(request).model_dump(exclude_unset=True, exclude={"webhook"}),
            now=self._clock(),
            keep_s=self._keep_s,
            limits=self._limits,
            webhook=request.webhook.model_dump() if request.webhook is not None else None,
        )
        standing = self._store.add(job, keyed)
        return Submitted(standing, replayed=standing.job_id != job.job_id)

    def _send(self, job: Job, delay_s: int = 0) -> Job:
        """What is not sent now the sweeper sends later."""
        with suppress(StorageUnavailable, JobNotFound):
            self._queue.put(job.tenant, job.job_id, delay_s)
            return self._store.change(job, lambda seen: jobs.sent(seen, self._clock(), self._limits))
        return job

    def _notify(self, job: Job) -> Job:
        """What is not told now the sweeper has told later."""
        if job.webhook is None or not job.webhook_due:
            return job
        with suppress(StorageUnavailable, JobNotFound):
            self._webhooks.put(job.tenant, job.job_id, job.webhook["url"], job.event_type, job.state)
            return self._store.change(job, jobs.notified)
        return job

    def _run(self, job: Job, service: ImageService, deadline: Deadline) -> Job | None:
        """Claim, generate, finish; whatever goes wrong decides how it goes on. None where it is somebody else's."""
        with suppress(Refused, JobAlreadyFinal, JobNotFound):
            run = Run.claim(job, self._store, self._limits, self._clock)
            try:
                with run.alive():
                    outcome = service.produce(
                        _request_of(run.job),
                        tenant=job.tenant,
                        deadline=Deadline(lambda: deadline.left() - HAND_ON_S),
                        on_step=run.on_step,
                    )
                    result = _with_queue_time(outcome, run.job).model_dump(mode="json")
                    ended = run.end(lambda seen: jobs.succeeded(seen, run.owner, self._clock(), self._limits, result))
            except Refused:
                raise
            except ServiceError as error:
                ended = self._retreat(run, error)
            except Exception as error:
                self._on_crash(error)
                ended = self._retreat(run, InternalError())
            return self._notify(ended)
        return None

    def _retreat(self, run: Run, error: ServiceError) -> Job:
        """Hand the run on, or fail the job where that cannot help."""
        cause = _cause(error)
        if not error.retryable or run.exhausted(cause):
            problem = _problem(GenerationTooLong() if cause == "deadline" else error)
            return run.end(lambda seen: jobs.failed(seen, self._clock(), self._limits, problem, owner=run.owner))
        queued = run.end(lambda seen: jobs.handed_on(seen, run.owner, self._clock(), self._limits, cause))
        return self._send(queued, jobs.backoff_s(queued.setbacks, self._limits) if cause == "setback" else 0)


def _cause(error: ServiceError) -> Cause:
    if isinstance(error, GenerationTimeout):
        return "deadline"
    return "setback" if error.status == HTTPStatus.SERVICE_UNAVAILABLE else "crash"


def _request_of(job: Job) -> GenerateRequest:
    """A run after a crash or a setback takes what that one may have stored, whatever the caller thinks of caches.

    One that met its deadline has stored nothing.
    """
    request = GenerateRequest.model_validate(job.request)
    return request if job.attempt + job.setbacks == 1 else request.model_copy(update={"cache": "use"})


def _with_queue_time(outcome: Outcome, job: Job) -> Outcome:
    waited = (job.started_at - job.created_at).total_seconds() if job.started_at else 0.0
    timings = outcome.timings.model_copy(update={"queue_ms": max(0, round(waited * 1000))})
    return outcome.model_copy(update={"timings": timings})


def _problem(error: ServiceError) -> dict[str, Any]:
    return {"code": error.public_code, "status": error.status, "detail": error.detail}


def _is_ulid(text: str) -> bool:
    try:
        return str(ULID.from_str(text)) == text
    except ValueError:
        return False
