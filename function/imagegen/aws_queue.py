"""The jobs' queue in SQS."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from botocore.config import Config

from imagegen.aws_client import client
from imagegen.aws_errors import translated
from imagegen.job_message import JobMessage

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=1, read_timeout=3)


class SqsJobQueue:
    """A ports.JobQueue."""

    def __init__(self, url: str, dead_letters_url: str):
        self._url = url
        self._dead_letters_url = dead_letters_url

    @cached_property
    def _client(self) -> SQSClient:
        made: SQSClient = client("sqs", _CONFIG)
        return made

    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None:
        body = JobMessage(tenant, job_id).body()
        with translated("SQS"):
            self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=delay_s)

    def postpone(self, receipt: str, seconds: int) -> None:
        with translated("SQS"):
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)

    def bury(self, body: str, reason: str) -> None:
        with translated("SQS"):
            self._client.send_message(
                QueueUrl=self._dead_letters_url,
                MessageBody=body,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
            )
