"""The zip function that delivers webhooks, fed by its queue."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from imagegen import telemetry
from imagegen.errors import ServiceError
from imagegen.ports import ReceivedMessage
from imagegen.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imagegen.webhooks import WebhookSender

settings = Settings()


class NotDelivered(Exception):
    """Keeps the message in the queue; when it comes back was arranged with SQS."""


@cache
def sender() -> WebhookSender:
    from imagegen.wiring import build_webhooks  # boto3

    return build_webhooks(settings)


def deliver(record: SQSRecord) -> None:
    """Raises where the message shall come again."""
    attempt = int(record.attributes.approximate_receive_count)
    try:
        ended = sender().deliver(ReceivedMessage(record.message_id, record.receipt_handle, record.body, attempt))
    except ServiceError as error:
        telemetry.failed(error)
        raise
    except Exception as error:
        telemetry.crashed(error)
        raise
    telemetry.webhook_tried(ended, attempt)
    if ended.verdict == "retry":
        raise NotDelivered


@telemetry.logger.inject_lambda_context(clear_state=True)
@telemetry.metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    # A batch of nothing but failures is no failure of the function, whose alarm would ring for a receiver that is down.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=deliver, processor=processor, context=context)
