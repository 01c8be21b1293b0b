"""The zip function of the jobs' dead-letter queue, which holds messages that no worker could process or parse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from imagegen import job_log, telemetry
from imagegen.api.event_kind import SQS, is_sqs, refusal
from imagegen.entrypoints import initialized
from imagegen.errors import ServiceError
from imagegen.jobs.job import UnreadableJob
from imagegen.jobs.message import JobMessage, Unreadable
from imagegen.wiring import Container

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

container = Container.from_environment()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@job_log.one_job()
def fail(record: SQSRecord) -> None:
    """Fail the message's job. Raises an exception if that is not possible now; SQS delivers the message again."""
    try:
        message = JobMessage.parse(record.body)
    except Unreadable as error:
        telemetry.dead_letter(error.reason)
        return
    job_log.about(message.job_id)
    try:
        failed = container.job_recovery.fail_dead_letter(message.tenant, message.job_id)
    except (ServiceError, UnreadableJob) as error:
        telemetry.failed(error if isinstance(error, ServiceError) else error.as_error())
        raise
    except Exception as error:
        telemetry.aborted(error)
        raise
    telemetry.dead_letter("not_processed", failed=failed)


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(event: Any, context: LambdaContext) -> Any:
    """Fail the jobs of the batch's messages and return what SQS must deliver again; refuse any other event."""
    if not is_sqs(event):
        return refusal(context, SQS)
    return process_partial_response(event=event, record_handler=fail, processor=processor, context=context)


initialized()
