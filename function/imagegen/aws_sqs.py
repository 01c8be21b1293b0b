"""What every queue in SQS does."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from botocore.config import Config

from imagegen.aws_client import client
from imagegen.aws_errors import translated

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


class SqsQueue:
    """A queue, and where what nobody could take from it is kept with the reason."""

    config: ClassVar[Config]

    def __init__(self, url: str, dead_letters_url: str):
        self._url = url
        self._dead_letters_url = dead_letters_url

    @cached_property
    def _client(self) -> SQSClient:
        made: SQSClient = client("sqs", self.config)
        return made

    def _hide(self, receipt: str, seconds: int) -> None:
        with translated("SQS"):
            self._client.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds)

    def _bury(self, body: str, reason: str) -> None:
        with translated("SQS"):
            self._client.send_message(
                QueueUrl=self._dead_letters_url,
                MessageBody=body,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
            )
