"""The product's jobs on moto: real table, queues and bucket, a fake engine, and a clock that tests move."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import boto3

from imagegen.deadline import Deadline
from imagegen.jobs.job import Job
from tests.support.fakes import PLENTY, FakeEngine, FakeEngines
from tools.faults.job_backend import JobBackend

HOOK = {"url": "https://example.com/hook"}


@dataclass
class JobWorld(JobBackend):
    """A JobBackend with a worker, whose engine is a FakeEngine."""

    engine: FakeEngine = field(default_factory=FakeEngine)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.engines = self.container.engines = FakeEngines(self.engine)
        self.runner, self.renderer = self.container.job_runner, self.container.job_renderer

    def run(self, job: Job, deadline: Deadline = PLENTY) -> Job:
        """Run the job as a worker does; returns it as stored afterwards."""
        self.runner.run(job.tenant, job.job_id, deadline)
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
