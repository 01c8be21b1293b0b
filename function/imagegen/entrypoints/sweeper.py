"""The zip function that a schedule invokes every minute: it recovers jobs and reservations of dead processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from imagegen import telemetry
from imagegen.deadline import Deadline
from imagegen.entrypoints import initialized
from imagegen.errors import ServiceError, StorageUnavailable
from imagegen.jobs.recovery import Waiting
from imagegen.jobs.sweep import Swept
from imagegen.limits.lost import Released, release_lost
from imagegen.webhooks.retries import Resent
from imagegen.wiring import Container

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

TOO_MANY: Final = 4
"""Failures after which the sweep ends: the table does not respond, and each call waits up to 20 s for it."""

container = Container.from_environment()


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(_: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Recover all due jobs, send webhooks whose next attempt is due, and release what dead processes had reserved.

    Raises StorageUnavailable if the table did not respond, or what a part raised; the next invocation retries.
    """
    sweep = _Sweep()
    sweep.run(Deadline.of_invocation(context))
    telemetry.swept(sweep.jobs.jobs, len(sweep.jobs.given_up), sweep.reservations.count)
    for error in sweep.failures:
        telemetry.failed(error)
    for error in sweep.failures:
        if isinstance(error, StorageUnavailable):
            raise error
    for crash in sweep.crashes:
        raise crash
    return {
        "swept": sweep.jobs.jobs,
        "given_up": len(sweep.jobs.given_up),
        "webhooks": sweep.webhooks.count,
        "released": sweep.reservations.count,
    }


@dataclass
class _Sweep:
    """The parts of a sweep, the urgent ones first, and what each of them did even if another one fails."""

    jobs: Swept = field(default_factory=Swept)
    webhooks: Resent = field(default_factory=Resent)
    reservations: Released = field(default_factory=Released)
    crashes: list[Exception] = field(default_factory=list)
    """Of whole parts; the alarm on the function's errors sees them."""

    @property
    def failures(self) -> list[ServiceError]:
        return [*self.jobs.failures, *self.webhooks.failures, *self.reservations.failures]

    def run(self, deadline: Deadline) -> None:
        """Do every part. Each leaves the given seconds to those that follow it."""
        parts: tuple[tuple[float, Callable[[Deadline], None]], ...] = (
            (20, lambda until: container.job_sweep.restart(until, self.jobs, self._waiting)),
            (14, lambda until: container.job_sweep.send(until, self.jobs, self._waiting)),
            (10, self._send_webhooks),
            (8, self._release),
            (4, lambda until: container.job_sweep.examine(until, self.jobs, self._waiting)),
            (0, lambda until: container.job_sweep.purge(until, self.jobs)),
        )
        for reserve_s, part in parts:
            try:
                part(deadline.less(reserve_s))
            except Exception as error:  # must not keep the other parts from their turn
                telemetry.crashed(error)
                self.crashes.append(error)
            if len(self.failures) >= TOO_MANY:
                return

    @cached_property
    def _waiting(self) -> Waiting:
        return container.job_sweep.waiting()

    def _send_webhooks(self, until: Deadline) -> None:
        self.webhooks = container.waiting_webhooks.send_due(until)

    def _release(self, until: Deadline) -> None:
        self.reservations = release_lost(container.quotas, until)


initialized()
