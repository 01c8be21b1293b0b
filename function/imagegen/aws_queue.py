"""The jobs' queue in SQS."""

from __future__ import annotations

from typing import Final

from botocore.config import Config

from imagegen.aws_errors import translated
from imagegen.aws_sqs import SqsQueue
from imagegen.job_message import JobMessage

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=1, read_timeout=3)


class SqsJobQueue(SqsQueue):
    """A ports.JobQueue."""

    config = _CONFIG

    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None:
        body = JobMessage(tenant, job_id).body()
        with translated("SQS"):
            self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=delay_s)

    def postpone(self, receipt: str, seconds: int) -> None:
        self._hide(receipt, seconds)

    def bury(self, body: str, reason: str) -> None:
        self._bury(body, reason)
