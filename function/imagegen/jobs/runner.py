"""Runs jobs for workers: choose, claim, generate, finish or requeue.

Covered: a worker that dies between any two lines; messages that arrive twice, late, never or at two workers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from imagegen.deadline import Deadline
from imagegen.errors import (
    GenerationTimeout,
    GenerationTooLong,
    IdempotencyInProgress,
    InternalError,
    JobAlreadyFinal,
    JobNotFound,
    RequestTooExpensive,
    ServiceError,
    StorageUnavailable,
)
from imagegen.generation import aws_calls
from imagegen.generation.checkpoint import SAVING_SECONDS, Checkpoint
from imagegen.generation.inputs import Inputs
from imagegen.generation.planner import Plan, Planner
from imagegen.generation.preview import Preview, Previews
from imagegen.generation.pricing import within
from imagegen.generation.result import Outcome
from imagegen.jobs import states
from imagegen.jobs.checkpoints import JobCheckpoints
from imagegen.jobs.idempotency import IdempotencyFingerprint
from imagegen.jobs.job import Job, JobError, UnreadableJob
from imagegen.jobs.job_quotas import JobQuotas
from imagegen.jobs.outbox import Outbox
from imagegen.jobs.ports import Clock, JobLog, JobStore
from imagegen.jobs.run import Run, no_preview
from imagegen.jobs.service import JobService, Submitted
from imagegen.jobs.states import Cause, Refused
from imagegen.jobs.timing import REQUEUE_S, JobTiming
from imagegen.jobs.turns import Turns
from imagegen.moderation.ports import PromptJudge
from imagegen.origin import UNKNOWN, Origin
from imagegen.retry import retry

if TYPE_CHECKING:
    from imagegen.generation.service import ImageService  # imports Pillow, which the zip functions lack


@dataclass(frozen=True)
class JobRunner:
    """Runs jobs with this process's engine. Thread-safe."""

    jobs: JobService
    store: JobStore
    turns: Turns
    outbox: Outbox
    planner: Planner
    judge: PromptJudge
    inputs: Inputs
    images: ImageService
    checkpoints: JobCheckpoints
    previews: Previews
    quotas: JobQuotas
    clock: Clock
    timing: JobTiming
    log: JobLog
    on_crash: Callable[[BaseException], None]

    def run(self, tenant: str, job_id: str, deadline: Deadline) -> Job | None:
        """Run the job whose turn it is; `job_id` is that of the message. Returns the job.

        Returns None if no job waits, or if this run has lost its job. Raises StorageUnavailable or GenerationTimeout if
        the run could not start; SQS must deliver the message again.
        """
        deadline.require(REQUEUE_S + SAVING_SECONDS)
        own = retry(lambda: self.store.get(tenant, job_id))
        for job in self.turns.candidates(own):
            run = self._claim(job, traded=job.job_id != job_id)
            if run is not None:
                return self._run(run, deadline)
        return None

    def run_now(
        self,
        plan: Plan,
        *,
        tenant: str,
        fingerprint: IdempotencyFingerprint | None,
        deadline: Deadline,
        origin: Origin = UNKNOWN,
    ) -> Submitted:
        """Store a job and run it here, for a POST /generate with an Idempotency-Key or a webhook.

        Raises what JobService.submit raises, and IdempotencyInProgress.
        """
        submitted = self.jobs.add(plan, tenant=tenant, fingerprint=fingerprint, origin=origin)
        job = submitted.job
        if submitted.replayed:
            if not (job.final or job.sent):
                raise IdempotencyInProgress
            return submitted
        try:
            self.images.require_time(plan, tenant=tenant, deadline=deadline.less(REQUEUE_S))
        except GenerationTimeout:  # before it is claimed here, so it counts as no run
            return Submitted(self.outbox.send(job))
        run = self._claim(job)
        ended = self._run(run, deadline, plan) if run is not None else None
        # If another process ended the job, only the table has the result.
        return Submitted(ended or self.jobs.get(tenant, job.job_id))

    def _claim(self, job: Job, *, traded: bool = False) -> Run | None:
        """Return the job's run, or None if another worker has the job or ended it. Raises StorageUnavailable."""
        with suppress(Refused, JobAlreadyFinal, JobNotFound):
            return Run.claim(job, self.store, self.timing, self.clock, traded=traded)
        return None

    def _run(self, run: Run, deadline: Deadline, plan: Plan | None = None) -> Job | None:
        """Generate and finish. Returns None if another process has taken the job.

        With a `plan` a caller waits for the result, but not until the deadline if the run cannot end before it.
        """
        self.log.about(run.job.job_id, run.job.origin)
        with suppress(Refused, JobAlreadyFinal, JobNotFound):
            checkpoint = self.checkpoints.of(run.job, until_deadline=plan is None)
            try:
                ended = self._end(run, checkpoint, plan, deadline.less(REQUEUE_S))
            except (Refused, JobNotFound):
                self._discard_if_final(run.job, checkpoint)
                raise
            notified = self.outbox.notify(ended)
            if notified.final:
                checkpoint.discard()
            return notified
        return None

    def _end(self, run: Run, checkpoint: Checkpoint, plan: Plan | None, deadline: Deadline) -> Job:
        """Generate and finish, requeue or fail the job. Raises Refused or JobNotFound if the run has lost it."""
        try:
            return self._finish(run, checkpoint, plan, deadline)
        except Refused:
            raise
        except ServiceError as error:
            return self._requeue_or_fail(run, checkpoint, error)
        except Exception as error:
            self.on_crash(error)
            return self._requeue_or_fail(run, checkpoint, InternalError())

    def _finish(self, run: Run, checkpoint: Checkpoint, plan: Plan | None, deadline: Deadline) -> Job:
        with run.renewing():
            calls = aws_calls.of_job(run.job.runs, is_in_place=plan is not None)
            plan = self._plan(run.job, plan)
            preview = self._preview(run, checkpoint, plan)
            outcome = self._produce(run, checkpoint, plan, deadline, preview, calls)
            result = _for_caller(outcome, run.job, preview)
            return run.end(lambda job: states.succeeded(job, run.owner, self.clock(), self.timing, result))

    def _preview(self, run: Run, checkpoint: Checkpoint, plan: Plan) -> Preview | None:
        if not plan.request.preview:
            return None
        return self.previews.of(plan.model, plan.backend, checkpoint, run.job.tenant)

    def _produce(
        self,
        run: Run,
        checkpoint: Checkpoint,
        plan: Plan,
        deadline: Deadline,
        preview: Preview | None,
        calls: aws_calls.AwsCalls,
    ) -> Outcome:
        """Generate until the deadline, or until the job's runs have used what it reserved: RequestTooExpensive.

        A first run that certainly needs more does not begin.
        """
        draw = preview.draw if preview is not None else no_preview
        paid = self.quotas.paid(run.job, lambda: checkpoint.spent.total_ms / 1000)
        if run.job.runs == 1:
            self.images.require_paid(plan, tenant=run.job.tenant, paid=paid)
        try:
            return self.images.produce(
                plan,
                tenant=run.job.tenant,
                deadline=deadline.earlier(paid),
                on_step=lambda step, of: run.on_step(step, of, checkpoint.resumed_at, draw),
                checkpoint=checkpoint,
                job_id=run.job.job_id,
                calls=calls,
            )
        except GenerationTimeout as error:
            if paid.left() < deadline.left() and _cause(error, checkpoint) != "wait":
                raise RequestTooExpensive from error
            raise

    def _discard_if_final(self, job: Job, checkpoint: Checkpoint) -> None:
        """Delete what the run has saved if the job was cancelled or deleted. Another run may need it otherwise."""
        with suppress(StorageUnavailable):
            stored = self.store.get(job.tenant, job.job_id)
            if stored is None or stored.final:
                checkpoint.discard()

    def _plan(self, job: Job, submitted: Plan | None) -> Plan:
        """Return the first run's plan, the one of its submission if it runs there, which has judged the prompt.

        Any other run judges it again, because lists change while a job waits.

        After a crash or an AWS failure, the run may use the images that an earlier one has stored. A run that ended at
        its deadline stored none. Raises ModerationBlocked, ModerationUnavailable, InvalidRequest, UnreadableJob, what
        Models.of_job raises or what Inputs.read_kept raises.
        """
        if job.request is None:
            raise UnreadableJob("request")
        first = job.attempt + job.aws_failures == 1
        if first and submitted is not None:
            return submitted
        model = self.planner.model_of_job(job.version, job.request.model)
        self.judge.require_allowed(job.request, tenant=job.tenant, model=model.id, job_id=job.job_id)
        plan = self.planner.plan(job.request, self.inputs.read_kept(job.request, job.tenant), model)
        return plan if first else plan.again(job.created_at)

    def _requeue_or_fail(self, run: Run, checkpoint: Checkpoint, error: ServiceError) -> Job:
        """Requeue the job, or fail it if another run cannot help. Raises what Run.end raises."""
        cause = _cause(error, checkpoint)
        if not error.retryable or run.exhausted(cause):
            problem = JobError.of(GenerationTooLong() if isinstance(error, GenerationTimeout) else error)
            return run.end(lambda job: states.failed(job, self.clock(), self.timing, problem, owner=run.owner))
        queued = run.end(lambda job: states.requeued(job, run.owner, self.clock(), self.timing, cause, run.progress))
        delays = {"aws_failure": self.timing.backoff_s(queued.aws_failures), "wait": self.timing.waiting_s}
        return self.outbox.send(queued, delays.get(cause, 0))


def _cause(error: ServiceError, checkpoint: Checkpoint) -> Cause:
    if isinstance(error, GenerationTimeout):
        return "continuation" if checkpoint.advanced else "wait" if checkpoint.waited else "deadline"
    return "aws_failure" if error.status == HTTPStatus.SERVICE_UNAVAILABLE else "crash"


def _for_caller(outcome: Outcome, job: Job, preview: Preview | None) -> Outcome:
    """Add the time in the queue, and that of previews, which the engine has counted as denoising.

    The receipt has at most what the job has reserved, as its bill.
    """
    waited = (job.started_at - job.created_at).total_seconds() if job.started_at else 0.0
    preview_ms = round(1000 * preview.spent_s) if preview is not None else 0
    times = {
        "queue_ms": max(0, round(waited * 1000)),
        "preview_ms": preview_ms,
        "denoise_ms": max(0, outcome.timings.denoise_ms - preview_ms),
    }
    cost = within(outcome.cost, job.reserved.amount if job.reserved else None)
    return outcome.model_copy(update={"timings": outcome.timings.model_copy(update=times), "cost": cost})
