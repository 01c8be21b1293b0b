"""The zip function behind the warm-up schedule: it pings Generator in several environments at once."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imagegen import telemetry
from imagegen.entrypoints import initialized
from imagegen.rollout.warm_up import warm
from imagegen.rollout_wiring import WarmerContainer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

container = WarmerContainer.from_environment()


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(_event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Warm the environments, and return how many different ones answered. A failed ping is logged, not raised."""
    settings = container.settings
    warmed = warm(container.functions, settings.warmed_function, settings.warm_environments)
    telemetry.environments_warmed(warmed)
    return asdict(warmed)


initialized()
