"""The zip function behind the jobs' dead letters: what no worker could take, or read."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from imagegen import telemetry
from imagegen.errors import ServiceError
from imagegen.job_message import JobMessage, Unreadable
from imagegen.settings import Settings
from imagegen.wiring import build_jobs

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imagegen.job_service import JobService

settings = Settings()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@cache
def jobs() -> JobService:
    return build_jobs(settings)


def fail(record: SQSRecord) -> None:
    """Raises ServiceError where the job could not be failed now: the message shall come again."""
    try:
        message = JobMessage.parse(record.body)
    except Unreadable as error:
        telemetry.dead_letter(str(error))
        return
    try:
        failed = jobs().dead_letter(message.tenant, message.job_id)
    except ServiceError as error:
        telemetry.failed(error)
        raise
    telemetry.dead_letter("no worker could take it", message.job_id, failed=failed)


@telemetry.logger.inject_lambda_context(clear_state=True)
@telemetry.metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event=event, record_handler=fail, processor=processor, context=context)
