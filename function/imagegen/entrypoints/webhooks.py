"""The zip function of the webhooks queue: delivers webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from imagegen import job_log, telemetry
from imagegen.api.event_kind import SQS, is_sqs, refusal
from imagegen.entrypoints import initialized
from imagegen.errors import ServiceError
from imagegen.webhooks.ports import ReceivedMessage
from imagegen.wiring import Container

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

container = Container.from_environment()


@job_log.one_job()
def deliver(record: SQSRecord) -> None:
    """Make one delivery attempt. Raises an exception if SQS must deliver the message again.

    A failed attempt is none: another message, which waits elsewhere, replaces this one.
    """
    receives = int(record.attributes.approximate_receive_count)
    group = record.attributes.get("MessageGroupId")
    received = ReceivedMessage(record.message_id, record.body, receives, group)
    try:
        attempt = container.webhook_sender.deliver(received)
    except ServiceError as error:
        telemetry.failed(error)
        raise
    except Exception as error:
        telemetry.aborted(error)
        raise
    telemetry.webhook_attempted(attempt)


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(event: Any, context: LambdaContext) -> PartialItemFailureResponse | dict[str, Any]:
    """Deliver the batch's webhooks and return the records that SQS must deliver again; refuse any other event."""
    if not is_sqs(event):
        return refusal(context, SQS)
    # SQS delivers failed records again. An exception for a batch that failed entirely would add nothing.
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=deliver, processor=processor, context=context)


initialized()
