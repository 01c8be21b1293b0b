"""The zip function that a timer calls: jobs that nobody works on."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from imagegen import telemetry
from imagegen.deadline import Deadline
from imagegen.errors import ServiceError
from imagegen.settings import Settings
from imagegen.wiring import build_jobs

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imagegen.job_service import JobService

settings = Settings()


@cache
def jobs() -> JobService:
    return build_jobs(settings)


@telemetry.logger.inject_lambda_context(clear_state=True)
@telemetry.metrics.log_metrics
def handler(_: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Raises ServiceError where the table does not answer: the next minute tries again, the error is counted."""
    try:
        swept = jobs().sweep(Deadline(lambda: context.get_remaining_time_in_millis() / 1000))
    except ServiceError as error:
        telemetry.failed(error)
        raise
    telemetry.swept(swept.jobs, swept.given_up)
    return {"swept": swept.jobs, "given_up": len(swept.given_up)}
