"""The zip function that a schedule invokes every minute: it recovers jobs and reservations of dead processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen import telemetry
from imagegen.deadline import Deadline
from imagegen.errors import ServiceError
from imagegen.limits.lost import release_lost
from imagegen.wiring import Container

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

container = Container.from_environment()


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(_: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Recover all due jobs, and release what dead processes had reserved.

    Raises ServiceError if the table does not respond; the next invocation retries.
    """
    deadline = Deadline.of_invocation(context)
    try:
        swept = container.job_recovery.sweep(deadline)
        released = release_lost(container.quotas, deadline)
    except ServiceError as error:
        telemetry.failed(error)
        raise
    telemetry.swept(swept.jobs, len(swept.given_up), released)
    return {"swept": swept.jobs, "given_up": len(swept.given_up), "released": released}
