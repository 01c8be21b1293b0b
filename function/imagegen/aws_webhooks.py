"""Webhooks' queue and secrets in AWS: SQS and SSM Parameter Store. botocore's errors stop here."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen.aws_client import client
from imagegen.aws_errors import code, translated
from imagegen.aws_sqs import SqsQueue
from imagegen.ports import ReceivedMessage
from imagegen.webhook_message import VERSION, WebhookMessage

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=1, read_timeout=4)

LONGEST_HIDING_S: Final = 42_900
"""SQS allows 12 hours from the moment a message was received, of which the attempt has taken some."""

SECRET_SECONDS: Final = 60
"""How long a secret is kept in memory, hence what a rotation takes to be seen."""


class SqsWebhookQueue(SqsQueue):
    """Puts webhooks into the queue, and sees to those that were not delivered."""

    config = _CONFIG

    def put(self, tenant: str, job_id: str, url: str, event_type: str, final_state: str) -> None:
        message = WebhookMessage.model_validate(
            {
                "version": VERSION,
                "tenant": tenant,
                "job_id": job_id,
                "url": url,
                "event_type": event_type,
                "final_state": final_state,
            }
        )
        with translated("SQS"):
            self._client.send_message(QueueUrl=self._url, MessageBody=message.model_dump_json())

    def postpone(self, received: ReceivedMessage, seconds: float) -> None:
        self._hide(received.receipt, min(round(seconds), LONGEST_HIDING_S))

    def bury(self, received: ReceivedMessage, reason: str) -> None:
        self._bury(received.body, reason)


class SsmSecretStore:
    """Secrets as SecureString parameters, one per tenant: <path>/<tenant>."""

    def __init__(self, path: str):
        self._path = path

    @cached_property
    def _provider(self) -> SSMProvider:
        return SSMProvider(boto3_client=client("ssm", _CONFIG))

    def get(self, tenant: str) -> str | None:
        with translated("SSM"):
            try:
                return str(self._provider.get(f"{self._path}/{tenant}", decrypt=True, max_age=SECRET_SECONDS))
            except GetParameterError as error:
                cause = error.__context__
                if isinstance(cause, ClientError) and code(cause) == "ParameterNotFound":
                    return None
                raise cause or error from None
