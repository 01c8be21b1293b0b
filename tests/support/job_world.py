"""The job services on moto's table, queue, and bucket, with a fake engine and a clock that tests advance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from imagegen.aws import S3ImageStore
from imagegen.aws_queue import SqsJobQueue
from imagegen.aws_table import DynamoJobStore, DynamoLeases
from imagegen.deadline import Deadline
from imagegen.job_service import JobService, Offer
from imagegen.jobs import Job, Limits
from imagegen.leader import Leader
from imagegen.registry import REGISTRY
from imagegen.request import GenerateRequest
from imagegen.service import ImageService, Receipts
from imagegen.wiring import epoch_ms
from tests.support.fakes import BACKEND, PLENTY, FakeEngine, FakeEngines, MemoryWebhooks

OFFER = Offer(REGISTRY, "demo", lambda _: BACKEND)
HOOK = {"url": "https://example.com/hook"}


@dataclass
class MovableClock:
    """Epoch milliseconds that only the test advances. Starts now, because S3 timestamps objects with the real time."""

    now: int = field(default_factory=epoch_ms)

    def __call__(self) -> int:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@dataclass
class JobWorld:
    """Job and image services on moto, with the fakes and the clock that tests control."""

    resources: Mapping[str, str]
    clock: MovableClock = field(default_factory=MovableClock)
    engine: FakeEngine = field(default_factory=FakeEngine)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    crashes: list[BaseException] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.store = DynamoJobStore(self.resources["Table"], self.clock)
        self.queue = SqsJobQueue(self.resources["JobsQueue"], self.resources["JobsDeadLetters"])
        images = S3ImageStore(self.resources["Bucket"], 3600, 7)
        self.engines = FakeEngines(self.engine)
        self.service = ImageService(
            models=REGISTRY,
            default_model_id="demo",
            engines=self.engines,
            store=images,
            leader=Leader(DynamoLeases(self.resources["Table"], self.clock), self.limits),
            receipts=Receipts(10240, 0.0000166667),
            embed_prompt=True,
        )
        self.jobs = JobService(
            offer=OFFER,
            store=self.store,
            queue=self.queue,
            webhooks=self.webhooks,
            images=images,
            keep_s=7 * 24 * 3600,
            clock=self.clock,
            on_crash=self.crashes.append,
            limits=self.limits,
        )

    def submit(self, tenant: str = "alice", **body: Any) -> Job:
        request = GenerateRequest.parse({"prompt": "a red circle", "num_inference_steps": 4, **body})
        return self.jobs.submit(request, tenant=tenant).job

    def run(self, job: Job, deadline: Deadline = PLENTY) -> Job:
        self.jobs.run_job(job.tenant, job.job_id, self.service, deadline)
        return self.get(job)

    def get(self, job: Job) -> Job:
        return self.jobs.get(job.tenant, job.job_id)

    def messages(self, queue: str = "JobsQueue") -> list[dict[str, Any]]:
        """Messages visible in the queue. Receiving hides them."""
        sqs = boto3.client("sqs")
        found = []
        while batch := sqs.receive_message(
            QueueUrl=self.resources[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += batch
        return [dict(each) | {"Body": _parsed(each["Body"])} for each in found]

    def items(self, prefix: str) -> list[dict[str, Any]]:
        table = boto3.resource("dynamodb").Table(self.resources["Table"])
        return [item for item in table.scan()["Items"] if str(item["pk"]).startswith(prefix)]


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body
