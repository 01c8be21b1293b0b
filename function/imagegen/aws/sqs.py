"""Job and webhook queues in SQS, each with its dead-letter queue."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config

from imagegen.aws.clients import client, translated
from imagegen.jobs.message import VERSION, JobMessage
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.ports import ReceivedMessage

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

    from imagegen.jobs.job import Job
    from imagegen.jobs.ports import Listed

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=1, read_timeout=3)

_GROUP: Final = re.compile(r"[!-~]{1,128}")
"""What SQS accepts as MessageGroupId: ASCII letters, digits and punctuation."""


def message_group(tenant: str) -> str:
    """Return the group of the tenant's messages: its id, or the id's SHA-256 if SQS would reject the id."""
    return tenant if _GROUP.fullmatch(tenant) else hashlib.sha256(tenant.encode()).hexdigest()


class _Queue:
    """A queue and its dead-letter queue, whose messages have the attribute `reason`.

    A message's group is its tenant. On a standard queue, SQS may then return other tenants' messages before those of a
    tenant that takes a large share of the consumers ("fair queues").
    """

    def __init__(self, url: str, dead_letters_url: str):
        self._url = url
        self._dead_letters_url = dead_letters_url

    @cached_property
    def _client(self) -> SQSClient:
        made: SQSClient = client("sqs", _CONFIG)
        return made

    def _send(self, tenant: str, body: str, delay_s: int = 0) -> None:
        with translated("SQS"):
            self._client.send_message(
                QueueUrl=self._url, MessageBody=body, DelaySeconds=delay_s, MessageGroupId=message_group(tenant)
            )

    def _dead_letter(self, body: str, reason: str, group: str | None) -> None:
        optional: Any = {} if group is None else {"MessageGroupId": group}
        with translated("SQS"):
            self._client.send_message(
                QueueUrl=self._dead_letters_url,
                MessageBody=body,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
                **optional,
            )


class SqsJobQueue(_Queue):
    """Implements jobs.ports.JobQueue."""

    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None:
        """Send the job's message, visible after `delay_s` seconds (at most 900)."""
        self._send(tenant, _body(tenant, job_id), delay_s)

    def put_all(self, jobs: Sequence[Listed]) -> list[Listed]:
        """Send the messages of up to ten jobs in one call. Returns the jobs whose message was not sent."""
        entries: list[Any] = [
            {
                "Id": str(number),
                "MessageBody": _body(job.tenant, job.job_id),
                "MessageGroupId": message_group(job.tenant),
            }
            for number, job in enumerate(jobs)
        ]
        with translated("SQS"):
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        return [jobs[int(each["Id"])] for each in answer.get("Failed", [])]

    def waiting(self) -> int:
        """Return about how many messages wait for a worker (ApproximateNumberOfMessages, eventually consistent)."""
        with translated("SQS"):
            attributes = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    def postpone(self, receipt: str, seconds: int) -> None:
        """Make a received message visible again after `seconds`."""
        with translated("SQS"):
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)

    def dead_letter(self, body: str, reason: str) -> None:
        """Send a message that cannot be parsed to the dead-letter queue."""
        self._dead_letter(body, reason, None)


def _body(tenant: str, job_id: str) -> str:
    return JobMessage(version=VERSION, tenant=tenant, job_id=job_id).body()


class SqsWebhookQueue(_Queue):
    """Implements jobs.ports.WebhookQueue and webhooks.ports.MessageQueue."""

    def put(self, job: Job) -> None:
        """Send the webhook message of a final job: at most 200 KB, with the largest metadata in ASCII."""
        self.send(WebhookMessage.of(job), 0)

    def send(self, message: WebhookMessage, delay_s: int) -> None:
        """Send the message, visible after `delay_s` seconds (at most 900)."""
        self._send(message.tenant, message.body(), delay_s)

    def dead_letter(self, received: ReceivedMessage, reason: str) -> None:
        """Copy the message, with its group, to the dead-letter queue."""
        self._dead_letter(received.body, reason, received.group)
