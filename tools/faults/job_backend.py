"""The product's job service on moto: real table, queues and bucket, a list of webhooks, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3

from imagegen.aws import S3ImageStore
from imagegen.aws_queue import SqsJobQueue
from imagegen.aws_table import DynamoJobStore
from imagegen.errors import ServiceError
from imagegen.job_service import JobService, Offer
from imagegen.jobs import Job, Limits
from imagegen.ports import Backend
from imagegen.registry import REGISTRY
from imagegen.request import GenerateRequest
from imagegen.wiring import epoch_ms

BACKEND: Final = Backend("torch", "cpu", "float32", "for tests")
OFFER: Final = Offer(REGISTRY, "demo", lambda _: BACKEND)


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

    told: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    failing: ServiceError | None = None

    def put(self, tenant: str, job_id: str, url: str, event_type: str, final_state: str) -> None:
        """Append a webhook."""
        if self.failing is not None:
            raise self.failing
        self.told.append((tenant, job_id, url, event_type, final_state))


@dataclass
class JobBackend:
    """JobService on the given resources: physical names by the template's logical IDs."""

    resources: Mapping[str, str]
    clock: MovableClock = field(default_factory=MovableClock)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    crashes: list[BaseException] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.store = DynamoJobStore(self.resources["Table"], self.clock)
        self.queue = SqsJobQueue(self.resources["JobsQueue"], self.resources["JobsDeadLetters"])
        self.images = S3ImageStore(self.resources["Bucket"], 3600, 7)
        self.jobs = JobService(
            offer=OFFER,
            store=self.store,
            queue=self.queue,
            webhooks=self.webhooks,
            images=self.images,
            keep_s=7 * 24 * 3600,
            clock=self.clock,
            on_crash=self.crashes.append,
            limits=self.limits,
        )

    def submit(self, tenant: str = "alice", **body: Any) -> Job:
        """Submit a job of four steps; `body` overrides or adds request fields."""
        request = GenerateRequest.parse({"prompt": "a red circle", "num_inference_steps": 4, **body})
        return self.jobs.submit(request, tenant=tenant).job

    def items(self, prefix: str) -> list[dict[str, Any]]:
        """Return the table's items whose `pk` starts with `prefix`."""
        table = boto3.resource("dynamodb").Table(self.resources["Table"])
        return [item for item in table.scan()["Items"] if str(item["pk"]).startswith(prefix)]
