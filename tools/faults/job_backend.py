"""The product's container on moto: real table, queues and bucket, a list of webhooks, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import boto3

from imagegen.aws.job_store import DynamoJobStore
from imagegen.errors import ServiceError
from imagegen.generation.ports import Backend
from imagegen.generation.request import GenerateRequest
from imagegen.jobs.job import Job
from imagegen.jobs.timing import JobTiming
from imagegen.limits.tenant_limits import UNLIMITED, TenantLimits
from imagegen.settings import Settings
from imagegen.webhooks.message import WebhookMessage
from imagegen.wiring import Container, epoch_ms

BACKEND: Final = Backend("torch", "cpu", "float32", "for tests")


@dataclass
class MovableClock:
    """Epoch milliseconds. Starts at the real time, which S3 uses for its objects, and moves only when told to."""

    now: int = field(default_factory=epoch_ms)

    def __call__(self) -> int:
        return self.now

    def pass_s(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += round(seconds * 1000)


@dataclass
class MemoryWebhooks:
    """A WebhookQueue in a list. Every `put` raises `failing` while it is set."""

    queued: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    failing: ServiceError | None = None

    def put(self, job: Job) -> None:
        """Append a webhook."""
        if self.failing is not None:
            raise self.failing
        message = WebhookMessage.of(job)
        self.bodies.append(message.body())
        self.queued.append((job.tenant, job.job_id, message.url, message.event_type, message.final_state))


@dataclass
class JobBackend:
    """The job services on the given resources: physical names by the template's logical IDs."""

    resources: Mapping[str, str]
    clock: MovableClock = field(default_factory=MovableClock)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    crashes: list[BaseException] = field(default_factory=list)
    timing: JobTiming = field(default_factory=JobTiming)
    limits: TenantLimits = UNLIMITED
    """Of every tenant; may be replaced at any time."""

    def __post_init__(self) -> None:
        self.container = container = Container(self._settings())
        container.limits_of = lambda _tenant: self.limits
        container.timing, container.clock, container.on_crash = self.timing, self.clock, self.crashes.append
        container.backend = BACKEND
        container.webhook_queue = self.webhooks
        self.store = container.job_store = DynamoJobStore(self.resources["Table"], self.clock)
        self.queue = container.job_queue
        self.planner, self.jobs, self.recovery = container.planner, container.jobs, container.job_recovery
        self.sweep = container.job_sweep = replace(container.job_sweep, threads=1)  # moto is not thread-safe

    def submit(self, tenant: str = "alice", **body: Any) -> Job:
        """Submit a job of four steps; `body` overrides or adds request fields."""
        request = GenerateRequest.parse({"prompt": "a red circle", "num_inference_steps": 4, **body})
        return self.jobs.submit(self.planner.plan(request), tenant=tenant).job

    def items(self, prefix: str) -> list[dict[str, Any]]:
        """Return the table's items whose `pk` starts with `prefix`."""
        table = boto3.resource("dynamodb").Table(self.resources["Table"])
        return [item for item in table.scan()["Items"] if str(item["pk"]).startswith(prefix)]

    def _settings(self) -> Settings:
        return Settings(
            bucket_name=self.resources["Bucket"],
            table_name=self.resources["Table"],
            jobs_queue_url=self.resources["JobsQueue"],
            jobs_dead_letters_url=self.resources["JobsDeadLetters"],
            webhooks_queue_url=self.resources["WebhooksQueue"],
            webhooks_dead_letters_url=self.resources["WebhooksDeadLetters"],
            webhook_secrets_path="/imagegen/webhooks",
        )
