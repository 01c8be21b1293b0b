"""The zip function that a schedule invokes every minute: it recovers jobs and reservations of dead processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen import telemetry
from imagegen.deadline import Deadline
from imagegen.errors import ServiceError, StorageUnavailable
from imagegen.jobs.sweep import Swept
from imagegen.limits.lost import release_lost
from imagegen.wiring import Container

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

container = Container.from_environment()


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(_: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Recover all due jobs, send webhooks whose next attempt is due, and release what dead processes had reserved.

    The urgent parts are first. Each part leaves time for those that follow it, and reports what it did even if another
    one fails. Raises StorageUnavailable if the table did not respond to one of them; the next invocation retries.
    """
    deadline, swept = Deadline.of_invocation(context), Swept()
    sweep = container.job_sweep
    sweep.restart(deadline.less(20), swept)
    sweep.send(deadline.less(14), swept)
    resent = container.waiting_webhooks.send_due(deadline.less(10))
    released = release_lost(container.quotas, deadline.less(8))
    sweep.examine(deadline.less(4), swept)
    sweep.purge(deadline, swept)
    telemetry.swept(swept.jobs, swept.given_up, released.count)
    _require_success([*swept.failures, *resent.failures, *released.failures])
    return {
        "swept": swept.jobs,
        "given_up": len(swept.given_up),
        "webhooks": resent.count,
        "released": released.count,
    }


def _require_success(failures: list[ServiceError]) -> None:
    for error in failures:
        telemetry.failed(error)
    for error in failures:
        if isinstance(error, StorageUnavailable):
            raise error
