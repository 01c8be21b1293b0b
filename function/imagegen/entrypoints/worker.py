"""The container function of the jobs queue: one message, one job. On a GPU it generates a batch at once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    BatchProcessor,
    EventType,
    async_process_partial_response,
    process_partial_response,
)

from imagegen import job_log, telemetry
from imagegen.api.event_kind import SQS, is_sqs, refusal
from imagegen.deadline import Deadline
from imagegen.entrypoints import initialized
from imagegen.errors import ServiceError
from imagegen.jobs.job import UnreadableJob
from imagegen.jobs.message import JobMessage, Unreadable
from imagegen.wiring import Container

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

POSTPONE_S: Final = 60
"""Delay before SQS delivers a message again whose run could not start, multiplied by its deliveries."""

container = Container.from_environment()
# SQS delivers failed records again. An exception for a batch that failed entirely would add nothing.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
concurrent_processor = AsyncBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@job_log.one_job()
def run(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Run the job whose turn it is. A message that cannot be parsed goes to the dead-letter queue.

    Raises an exception if the run could not start; SQS delivers the message again.
    """
    try:
        message = JobMessage.parse(record.body)
    except Unreadable as error:
        container.job_queue.dead_letter(record.body, error.reason)
        telemetry.unreadable(error.reason)
        return
    job_log.about(message.job_id)
    try:
        job = container.job_runner.run(message.tenant, message.job_id, Deadline.of_invocation(lambda_context))
    except (ServiceError, UnreadableJob) as error:
        telemetry.failed(error if isinstance(error, ServiceError) else error.as_error())
        _postpone(record)
        raise
    except Exception as error:
        telemetry.aborted(error)
        _postpone(record)
        raise
    telemetry.ran(job)


def _postpone(record: SQSRecord) -> None:
    """Delay the message by 1, 2, 3 ... minutes, not the queue's 16 each time: ten deliveries span 55 minutes."""
    received = int(record["attributes"].get("ApproximateReceiveCount", 1))
    with suppress(ServiceError):
        container.job_queue.postpone(record.receipt_handle, POSTPONE_S * received)


async def run_in_thread(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Call `run` in a thread."""
    await asyncio.to_thread(run, record, lambda_context)


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(event: Any, context: LambdaContext) -> Any:
    """Run the batch's jobs and return the records that SQS must deliver again; refuse any other event."""
    if not is_sqs(event):
        return refusal(context, SQS)
    if not container.on_gpu:  # a batch gains nothing on a CPU
        return process_partial_response(event=event, record_handler=run, processor=processor, context=context)
    # Built in this thread, because threads that build them concurrently would each load an engine.
    _ = (container.job_runner, container.job_queue)
    with container.batcher.expect(len(event["Records"])):
        return async_process_partial_response(
            event=event, record_handler=run_in_thread, processor=concurrent_processor, context=context
        )


initialized()
