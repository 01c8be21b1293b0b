"""The zip function: jobs, health, models, documentation and CORS preflight. Never loads an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn, Server

from imagegen import http, telemetry
from imagegen.engines import choose_backends, known_schedulers
from imagegen.entrypoints import generator, job_routes
from imagegen.processor import fastest_precision
from imagegen.registry import offered
from imagegen.result import Health, ModelInfo, ModelList

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

DOCUMENT: dict[str, Any] = {
    "title": "Stable Diffusion on Lambda",
    "version": "1",
    "security_schemes": {"ApiKey": APIKey(name="x-api-key", in_=APIKeyIn.header)},
    "security": [{"ApiKey": []}],
}

settings = generator.settings
models = offered(settings.model_ids)
# What the generator's processor computes in and on how many threads is not known here, nor asked.
backends = choose_backends(settings.device, settings.engines, fastest_precision(), threads=1)
router = http.build_router({path: ["GET"] for path in ("/health", "/models", "/openapi.json", "/docs")})


@router.get("/health", summary="Liveness", security=[], responses=http.answers(Health, 405, 429, 500))
def health():  # type: ignore[no-untyped-def]
    return Response(200, http.JSON, Health().model_dump_json())


@router.get(
    "/models", summary="The models this deployment offers", responses=http.answers(ModelList, 401, 405, 429, 500)
)
def list_models():  # type: ignore[no-untyped-def]
    infos = [ModelInfo.of(model, backends[0].engine, known_schedulers(model, backends)) for model in models.values()]
    return Response(200, http.JSON, ModelList(default=settings.default_model_id, models=infos).model_dump_json())


@router.get("/openapi.json", include_in_schema=False)
def openapi():  # type: ignore[no-untyped-def]
    servers = [Server(url=http.base_of(router.current_event) or "/")]
    document = app.get_openapi_json_schema(**DOCUMENT, servers=servers)
    return Response(200, http.JSON, document)


# The generator's routes are included for the documentation and the preflight's list of methods: the gateway sends
# POST /generate to the generator itself.
app = http.build_app(settings.allowed_origins)
app.include_router(router)
app.include_router(job_routes.router)
app.include_router(generator.router)
app.enable_swagger(path="/docs", **DOCUMENT)


@telemetry.logger.inject_lambda_context(clear_state=True)
@telemetry.metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return http.resolve(app, event, context)
