"""Builds the parts of a process from its settings. Each part imports its modules when it is first used.

Each function therefore imports only what it runs: boto3 and the engines take most of a cold start, and the sweeper
needs no planner.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from imagegen import job_log, telemetry
from imagegen.catalog.registry import offered
from imagegen.generation_wiring import GenerationParts
from imagegen.jobs.timing import JobTiming
from imagegen.limits_wiring import LimitParts, limits_from
from imagegen.model_wiring import judged_models
from imagegen.moderation.thresholds import ThresholdsOf, thresholds_from
from imagegen.moderation_wiring import ModerationParts
from imagegen.settings import Settings

if TYPE_CHECKING:
    from imagegen.access.ports import KeyEnds
    from imagegen.access.tenant_keys import TenantKeys
    from imagegen.aws.sqs import SqsWebhookQueue
    from imagegen.aws.ssm import SsmSecretStore
    from imagegen.jobs.backlog import Backlog
    from imagegen.jobs.checkpoints import JobCheckpoints
    from imagegen.jobs.drawing import Drawing
    from imagegen.jobs.job_quotas import JobQuotas
    from imagegen.jobs.outbox import Outbox
    from imagegen.jobs.ports import Clock, JobLog, JobQueue, JobStore, TurnStore, WebhookQueue
    from imagegen.jobs.recovery import JobRecovery
    from imagegen.jobs.runner import JobRunner
    from imagegen.jobs.service import JobService
    from imagegen.jobs.sweep import JobSweep
    from imagegen.jobs.view import JobRenderer
    from imagegen.limits.tenant_limits import LimitsOf
    from imagegen.webhooks.delivery import WebhookSender
    from imagegen.webhooks.registration import WebhookRegistration
    from imagegen.webhooks.retries import WaitingWebhooks
    from imagegen.webhooks.safe_http import SafeClient
    from imagegen.webhooks.slots import Slots


class Container(GenerationParts, LimitParts, ModerationParts):
    """Everything a process needs. Each part is built once, when first used; a test can assign a replacement first.

    Not thread-safe: a process with several threads must build the parts in one thread before the others use them.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self.models = offered(settings.model_ids)
        self.timing = JobTiming()
        self.clock: Clock = epoch_ms
        self.stopwatch: Callable[[], float] = time.perf_counter
        self.limits_of: LimitsOf = limits_from(settings)
        self.thresholds_of: ThresholdsOf = thresholds_from(settings.picture_thresholds)
        judged_models(settings, self.models)  # refuses what could never judge
        self.on_crash: Callable[[BaseException], None] = telemetry.crashed
        self.job_log: JobLog = job_log

    @classmethod
    def from_environment(cls) -> Container:
        """Return a container for the environment's settings.

        Raises pydantic.ValidationError or ValueError for invalid settings, which fails the deployment, not a request.
        """
        return cls(Settings())

    # -- jobs ----------------------------------------------------------------------------------------------------------

    @cached_property
    def job_store(self) -> JobStore:
        """Jobs in DynamoDB."""
        from imagegen.aws.job_store import DynamoJobStore

        return DynamoJobStore(self.settings.table_name, self.clock)

    @cached_property
    def job_queue(self) -> JobQueue:
        """The queue between callers and workers."""
        from imagegen.aws.sqs import SqsJobQueue

        return SqsJobQueue(self.settings.jobs_queue_url, self.settings.jobs_dead_letters_url)

    @cached_property
    def backlog(self) -> Backlog:
        """The length of the jobs queue, and the places in it."""
        from imagegen.jobs.backlog import Backlog

        return Backlog(self.job_queue, self.turn_store, self.clock)

    @cached_property
    def turn_store(self) -> TurnStore:
        """The jobs that wait, and whose turn it is, in DynamoDB."""
        from imagegen.aws.turns import DynamoTurns

        return DynamoTurns(self.settings.table_name, self.clock)

    @cached_property
    def webhook_queue(self) -> WebhookQueue:
        """The queue of webhooks to deliver."""
        return self._sqs_webhooks

    @cached_property
    def checkpoints(self) -> JobCheckpoints:
        """Checkpoints of jobs in S3."""
        from imagegen.aws.objects import CHECKPOINTS, S3Objects
        from imagegen.jobs.checkpoints import JobCheckpoints

        return JobCheckpoints(S3Objects(self.settings.bucket_name, CHECKPOINTS), self.timing.save_every_s)

    @cached_property
    def outbox(self) -> Outbox:
        """Sends the messages of jobs."""
        from imagegen.jobs.outbox import Outbox

        return Outbox(self.job_store, self.job_queue, self.backlog, self.webhook_queue, self.clock, self.timing)

    @cached_property
    def jobs(self) -> JobService:
        """Jobs for callers."""
        from imagegen.jobs.service import JobService

        return JobService(
            store=self.job_store,
            outbox=self.outbox,
            checkpoints=self.checkpoints,
            quotas=self.job_quotas,
            inputs=self.inputs,
            keep_s=self.settings.image_days * 24 * 3600,
            clock=self.clock,
            timing=self.timing,
            log=self.job_log,
        )

    @cached_property
    def job_quotas(self) -> JobQuotas:
        """What jobs may cost."""
        from imagegen.generation.pricing import Pricing
        from imagegen.jobs.job_quotas import JobQuotas

        settings = self.settings
        pricing = Pricing(
            settings.worker_memory_mb,
            settings.usd_per_gb_second,
            region=settings.aws_region,
            image_days=settings.image_days,
        )
        return JobQuotas(self.limits_of, pricing, self.timing, self.settings.queue_depth or None)

    @cached_property
    def drawing(self) -> Drawing:
        """Requests that are generated while the caller waits."""
        from imagegen.jobs.drawing import Drawing

        images = self.images  # first: the engine loads while boto3 is imported
        return Drawing(self.limiter, images, self.jobs, self.pricing)

    @cached_property
    def job_renderer(self) -> JobRenderer:
        """Renders jobs for callers."""
        from imagegen.jobs.view import JobRenderer

        return JobRenderer(self.image_store, self.backlog, self.clock)

    @cached_property
    def job_runner(self) -> JobRunner:
        """Jobs for workers."""
        from imagegen.jobs.runner import JobRunner
        from imagegen.jobs.turns import Turns

        images = self.images  # first: the engine loads while boto3 is imported
        return JobRunner(
            jobs=self.jobs,
            store=self.job_store,
            turns=Turns(self.job_store, self.turn_store),
            outbox=self.outbox,
            planner=self.planner,
            judge=self.prompt_judge,
            inputs=self.inputs,
            images=images,
            checkpoints=self.checkpoints,
            previews=self.previews,
            quotas=self.job_quotas,
            clock=self.clock,
            timing=self.timing,
            log=self.job_log,
            on_crash=self.on_crash,
        )

    @cached_property
    def job_recovery(self) -> JobRecovery:
        """Jobs that a dead process left behind."""
        from imagegen.jobs.recovery import JobRecovery

        return JobRecovery(
            store=self.job_store,
            outbox=self.outbox,
            checkpoints=self.checkpoints,
            clock=self.clock,
            timing=self.timing,
            log=self.job_log,
        )

    @cached_property
    def job_sweep(self) -> JobSweep:
        """Jobs for the sweeper."""
        from imagegen.jobs.sweep import JobSweep

        return JobSweep(self.job_store, self.outbox, self.backlog, self.job_recovery, self.job_log, self.on_crash)

    # -- access --------------------------------------------------------------------------------------------------------

    @cached_property
    def tenant_keys(self) -> TenantKeys:
        """Tenants and their API keys, for operators."""
        from imagegen.access.tenant_keys import TenantKeys
        from imagegen.aws.callers import DynamoCallers
        from imagegen.aws.webhook_secrets import SsmWebhookSecrets

        store = DynamoCallers(self.settings.table_name, self.clock)
        return TenantKeys(store, SsmWebhookSecrets(self.settings.webhook_secrets_path), self.clock)

    @cached_property
    def key_ends(self) -> KeyEnds:
        """When keys end."""
        from imagegen.aws.key_ends import DynamoKeyEnds

        return DynamoKeyEnds(self.settings.table_name, self.clock)

    # -- webhooks ------------------------------------------------------------------------------------------------------

    @cached_property
    def safe_client(self) -> SafeClient:
        """Reaches public addresses only. No setting can change that; a test assigns another client."""
        from imagegen.webhooks.safe_http import SafeClient

        return SafeClient()

    @cached_property
    def webhook_sender(self) -> WebhookSender:
        """Delivers webhooks."""
        from imagegen.webhooks.delivery import WebhookSender

        return WebhookSender(
            jobs=self.job_store,
            render=lambda job: self.job_renderer.render_delivered(job).model_dump(mode="json"),
            secrets=self._ssm_secrets,
            client=self.safe_client,
            retries=self.waiting_webhooks,
            slots=self.webhook_slots,
            about=job_log.about,
        )

    @cached_property
    def waiting_webhooks(self) -> WaitingWebhooks:
        """Webhooks that wait for a later attempt."""
        from imagegen.aws.webhooks import DynamoHeldWebhooks
        from imagegen.webhooks.retries import WaitingWebhooks

        held = DynamoHeldWebhooks(self.settings.table_name, self.clock)
        return WaitingWebhooks(self._sqs_webhooks, held, self.clock, self.job_log, self.on_crash)

    @cached_property
    def webhook_slots(self) -> Slots:
        """How many webhooks of a tenant are delivered at once."""
        from imagegen.aws.webhooks import DynamoSlots
        from imagegen.webhooks.slots import Slots

        return Slots(DynamoSlots(self.settings.table_name, self.clock), self.clock)

    @cached_property
    def webhook_registration(self) -> WebhookRegistration:
        """Checks webhooks when they are requested."""
        from imagegen.webhooks.registration import WebhookRegistration

        return WebhookRegistration(self._ssm_secrets)

    @cached_property
    def _ssm_secrets(self) -> SsmSecretStore:
        from imagegen.aws.ssm import SsmSecretStore

        return SsmSecretStore(self.settings.webhook_secrets_path)

    @cached_property
    def _sqs_webhooks(self) -> SqsWebhookQueue:
        from imagegen.aws.sqs import SqsWebhookQueue

        return SqsWebhookQueue(self.settings.webhooks_queue_url, self.settings.webhooks_dead_letters_url)


def epoch_ms() -> int:
    """Return the current time in epoch milliseconds."""
    return time.time_ns() // 1_000_000
