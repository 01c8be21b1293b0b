"""The zip function for jobs, uploads, keys, health, models, documentation and CORS preflight. Never loads an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen import telemetry
from imagegen.api.app import build_app, resolve
from imagegen.api.event_kind import REST_API, is_rest_api, refusal
from imagegen.api.routes import documentation, generate, health, jobs, keys, me, models, report, uploads, usage, verify
from imagegen.entrypoints import initialized
from imagegen.wiring import Container

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

container = Container.from_environment()
# POST /generate and POST /verify are included for the OpenAPI document and the preflight's list of methods only: the
# gateway sends these routes to the generator.
app = build_app(
    container.settings.allowed_origins,
    *(health.router, models.router, documentation.router, jobs.router, me.router, usage.router, keys.router),
    *(report.router, uploads.router, generate.router, verify.router),
)


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Respond to a REST API's event, and refuse any other event."""
    return resolve(app, container, event, context) if is_rest_api(event) else refusal(context, REST_API)


initialized()
