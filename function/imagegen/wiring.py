"""Builds the parts of a process from its settings. Each part imports its modules when it is first used.

Each function therefore imports only what it runs: boto3 and the engines take most of a cold start, and the sweeper
needs no planner.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, cached_property
from typing import TYPE_CHECKING

from imagegen import telemetry
from imagegen.catalog.registry import Model, offered
from imagegen.errors import ModelUnavailable, ServiceError
from imagegen.jobs.timing import JobTiming
from imagegen.settings import Settings

if TYPE_CHECKING:
    from imagegen.access.tenant_keys import TenantKeys
    from imagegen.aws.sqs import SqsWebhookQueue
    from imagegen.aws.ssm import SsmSecretStore
    from imagegen.engines.batching import Batcher
    from imagegen.generation.planner import Planner
    from imagegen.generation.ports import Backend, Engines, ImageStore
    from imagegen.generation.service import ImageService
    from imagegen.generation.single_flight import SingleFlight
    from imagegen.generation.workload import Workload
    from imagegen.jobs.backlog import Backlog
    from imagegen.jobs.checkpoints import JobCheckpoints
    from imagegen.jobs.outbox import Outbox
    from imagegen.jobs.ports import Clock, JobQueue, JobStore, WebhookQueue
    from imagegen.jobs.recovery import JobRecovery
    from imagegen.jobs.runner import JobRunner
    from imagegen.jobs.service import JobService
    from imagegen.jobs.view import JobRenderer
    from imagegen.webhooks.delivery import WebhookSender
    from imagegen.webhooks.registration import WebhookRegistration
    from imagegen.webhooks.safe_http import SafeClient


class Container:
    """Everything a process needs. Each part is built once, when first used; a test can assign a replacement first.

    Not thread-safe: a process with several threads must build the parts in one thread before the others use them.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        self.models = offered(settings.model_ids)
        self.timing = JobTiming()
        self.clock: Clock = epoch_ms
        self.on_crash: Callable[[BaseException], None] = telemetry.crashed

    @classmethod
    def from_environment(cls) -> Container:
        """Return a container for the environment's settings.

        Raises pydantic.ValidationError or ValueError for invalid settings, which fails the deployment, not a request.
        """
        return cls(Settings())

    # -- generation ----------------------------------------------------------------------------------------------------

    @cached_property
    def backend(self) -> Backend:
        """What runs every generation. Imports no engine."""
        from imagegen.engines.cpu import Precision, fastest_precision, vcpus
        from imagegen.engines.selection import choose_backend

        settings, memory_mb = self.settings, self.settings.aws_lambda_function_memory_size
        if settings.precision == "auto":
            precision = fastest_precision(settings.onednn_max_cpu_isa)
        else:
            precision = Precision(settings.precision, f"PRECISION={settings.precision}")
        return choose_backend(settings.device, settings.engines, precision, settings.threads or vcpus(memory_mb))

    @property
    def on_gpu(self) -> bool:
        """Whether the backend is a GPU."""
        return self.backend.device == "cuda"

    @cached_property
    def planner(self) -> Planner:
        """Turns requests into plans."""
        from imagegen.generation.planner import Planner

        return Planner(self.models, self.settings.default_model_id, self.backend)

    @cached_property
    def batcher(self) -> Batcher:
        """Groups concurrent generations on a GPU."""
        from imagegen.engines.batching import Batcher

        return Batcher()

    @cached_property
    def engines(self) -> Engines:
        """The one resident engine. In Lambda it loads immediately: an environment starts because a request waits."""
        from imagegen.engines.loader import EngineLoader
        from imagegen.engines.pool import EnginePool

        memory_mb = self.settings.aws_lambda_function_memory_size
        pool = EnginePool(EngineLoader(self.settings.models_dir, memory_mb, self.batcher).load, memory_mb)
        if self.settings.aws_lambda_initialization_type:
            with suppress(ServiceError):  # the request gets the same error and reports it
                default = self.planner.warm_up(None)
                pool.preload(default.model, default.backend)
        return pool

    @cached_property
    def images(self) -> ImageService:
        """Generates and stores images."""
        from imagegen.generation.service import ImageService, Pricing
        from imagegen.generation.speed_estimate import SpeedEstimate

        engines = self.engines  # before boto3, which takes a quarter of a second to import while the engine loads
        return ImageService(
            engines=engines,
            store=self.image_store,
            single_flight=self.single_flight,
            pricing=Pricing(self.settings.aws_lambda_function_memory_size, self.settings.usd_per_gb_second),
            embed_prompt=self.settings.embed_prompt,
            estimate=SpeedEstimate(cache(self._workload)),
        )

    @cached_property
    def single_flight(self) -> SingleFlight:
        """Runs identical generations once."""
        from imagegen.aws.leases import DynamoLeases
        from imagegen.generation.single_flight import SingleFlight

        leases = DynamoLeases(self.settings.table_name, self.clock)
        return SingleFlight(leases, lease_s=self.timing.lease_s, renew_s=self.timing.renew_s)

    @cached_property
    def image_store(self) -> ImageStore:
        """Images in S3."""
        from imagegen.aws.s3 import S3ImageStore

        settings = self.settings
        return S3ImageStore(settings.bucket_name, settings.url_expires_seconds, settings.image_days)

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
        """The length of the jobs queue."""
        from imagegen.jobs.backlog import Backlog

        return Backlog(self.job_queue, self.clock)

    @cached_property
    def webhook_queue(self) -> WebhookQueue:
        """The queue of webhooks to deliver."""
        return self._sqs_webhooks

    @cached_property
    def checkpoints(self) -> JobCheckpoints:
        """Checkpoints of jobs in S3."""
        from imagegen.aws.checkpoints import S3CheckpointStore
        from imagegen.jobs.checkpoints import JobCheckpoints

        return JobCheckpoints(S3CheckpointStore(self.settings.bucket_name), self.timing.save_every_s)

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
            keep_s=self.settings.image_days * 24 * 3600,
            clock=self.clock,
            timing=self.timing,
        )

    @cached_property
    def job_renderer(self) -> JobRenderer:
        """Renders jobs for callers."""
        from imagegen.jobs.view import JobRenderer

        return JobRenderer(self.image_store, self.backlog, self.clock)

    @cached_property
    def job_runner(self) -> JobRunner:
        """Jobs for workers."""
        from imagegen.jobs.runner import JobRunner

        images = self.images  # first: the engine loads while boto3 is imported
        return JobRunner(
            jobs=self.jobs,
            store=self.job_store,
            outbox=self.outbox,
            planner=self.planner,
            images=images,
            checkpoints=self.checkpoints,
            clock=self.clock,
            timing=self.timing,
            on_crash=self.on_crash,
        )

    @cached_property
    def job_recovery(self) -> JobRecovery:
        """Jobs for the sweeper."""
        from imagegen.jobs.recovery import JobRecovery

        return JobRecovery(
            self.job_store, self.outbox, self.backlog, self.checkpoints, self.clock, self.timing, self.on_crash
        )

    # -- access --------------------------------------------------------------------------------------------------------

    @cached_property
    def tenant_keys(self) -> TenantKeys:
        """Tenants and their API keys, for operators."""
        from imagegen.access.tenant_keys import TenantKeys
        from imagegen.aws.callers import DynamoCallers
        from imagegen.aws.webhook_secrets import SsmWebhookSecrets

        store = DynamoCallers(self.settings.table_name, self.clock)
        return TenantKeys(store, SsmWebhookSecrets(self.settings.webhook_secrets_path), self.clock)

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
            retries=self._sqs_webhooks,
        )

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

    def _workload(self, model: Model, backend: Backend) -> Workload | None:
        """Return None for a GPU, whose pace is not known, and without a readable manifest, which the load reports."""
        from imagegen.catalog import manifest
        from imagegen.generation.workload import Workload

        folder = self.settings.models_dir / model.id / backend.engine
        if backend.device == "cpu":
            with suppress(ModelUnavailable):
                return Workload.of(manifest.flops(folder), manifest.network_bytes(folder), model, backend)
        return None


def epoch_ms() -> int:
    """Return the current time in epoch milliseconds."""
    return time.time_ns() // 1_000_000
