"""The container function behind the jobs' queue: one message, one job. On a GPU a batch of them is drawn together."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    BatchProcessor,
    EventType,
    async_process_partial_response,
    process_partial_response,
)

from imagegen import telemetry
from imagegen.deadline import Deadline
from imagegen.errors import ServiceError
from imagegen.job_message import JobMessage, Unreadable
from imagegen.settings import Settings
from imagegen.together import Together
from imagegen.wiring import build_jobs, build_queue, build_service, on_gpu

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imagegen.job_service import JobService
    from imagegen.ports import JobQueue
    from imagegen.service import ImageService

POSTPONE_S: Final = 60
"""Until a message comes again that could not be begun, times its deliveries."""

settings = Settings()
# What failed comes again by itself; an exception for the whole batch would say no more than the list of its records.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
concurrent_processor = AsyncBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
together = Together()
draws_together = on_gpu(settings)
"""On a CPU messages are taken one after the other: a batch gains nothing there."""


@cache
def service() -> ImageService:
    return build_service(settings, together)


@cache
def jobs() -> JobService:
    return build_jobs(settings)


@cache
def queue() -> JobQueue:
    return build_queue(settings)


def run(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Raises ServiceError where the message shall come again. What nobody can read goes to the dead letters at once."""
    try:
        message = JobMessage.parse(record.body)
    except Unreadable as error:
        queue().bury(record.body, str(error))
        telemetry.buried(str(error))
        return
    deadline = Deadline(lambda: lambda_context.get_remaining_time_in_millis() / 1000)
    try:
        job = jobs().run_job(message.tenant, message.job_id, service(), deadline)
    except ServiceError as error:
        telemetry.failed(error)
        _postpone(record)
        raise
    telemetry.ran(message.job_id, job)


def _postpone(record: SQSRecord) -> None:
    """One minute, two, three ... instead of the queue's 16 each time: ten times are 55 minutes without AWS."""
    received = int(record["attributes"].get("ApproximateReceiveCount", 1))
    with suppress(ServiceError):
        queue().postpone(record.receipt_handle, POSTPONE_S * received)


async def run_in_thread(record: SQSRecord, lambda_context: LambdaContext) -> None:
    await asyncio.to_thread(run, record, lambda_context)


@telemetry.logger.inject_lambda_context(clear_state=True)
@telemetry.metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    if not draws_together:
        return process_partial_response(event=event, record_handler=run, processor=processor, context=context)
    # By one thread: several that find a cache empty at the same moment would each load an engine.
    for build in (service, jobs, queue):
        build()
    with together.expecting(len(event["Records"])):
        return async_process_partial_response(
            event=event, record_handler=run_in_thread, processor=concurrent_processor, context=context
        )
