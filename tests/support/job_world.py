"""The product's jobs on moto: real table, queues and bucket, a fake engine, and a clock that tests move."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import boto3

from imagegen.aws_table import DynamoLeases
from imagegen.deadline import Deadline
from imagegen.jobs import Job
from imagegen.leader import Leader
from imagegen.registry import REGISTRY
from imagegen.service import ImageService, Receipts
from tests.support.fakes import PLENTY, FakeEngine, FakeEngines
from tools.faults.job_backend import JobBackend

HOOK = {"url": "https://example.com/hook"}


@dataclass
class JobWorld(JobBackend):
    """A JobBackend with a worker: an ImageService whose engine is a FakeEngine."""

    engine: FakeEngine = field(default_factory=FakeEngine)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.engines = FakeEngines(self.engine)
        self.service = ImageService(
            models=REGISTRY,
            default_model_id="demo",
            engines=self.engines,
            store=self.images,
            leader=Leader(DynamoLeases(self.resources["Table"], self.clock), self.limits),
            receipts=Receipts(10240, 0.0000166667),
            embed_prompt=True,
        )

    def run(self, job: Job, deadline: Deadline = PLENTY) -> Job:
        """Run the job as a worker does; returns it as stored afterwards."""
        self.jobs.run_job(job.tenant, job.job_id, self.service, deadline)
        return self.get(job)

    def get(self, job: Job) -> Job:
        """Return the job as stored now. Raises JobNotFound."""
        return self.jobs.get(job.tenant, job.job_id)

    def messages(self, queue: str = "JobsQueue") -> list[dict[str, Any]]:
        """Receive all visible messages, with parsed bodies. They are then in flight."""
        sqs = boto3.client("sqs")
        found = []
        while batch := sqs.receive_message(
            QueueUrl=self.resources[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += batch
        return [dict(each) | {"Body": _parsed(each["Body"])} for each in found]


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body
