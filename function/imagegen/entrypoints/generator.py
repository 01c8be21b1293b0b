"""The container function: POST /generate, warm-up pings and direct invocations."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from imagegen import http, telemetry, tenant
from imagegen.deadline import Deadline
from imagegen.entrypoints import job_routes
from imagegen.entrypoints.parameters import Async, IdempotencyKey
from imagegen.errors import (
    BodyNotObject,
    FieldError,
    GenerationTimeout,
    InternalError,
    InvalidRequest,
    JobAlreadyFinal,
    JobFailed,
    ServiceError,
)
from imagegen.request import GenerateRequest, WarmUpRequest
from imagegen.result import JobInfo, Result
from imagegen.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imagegen.job_service import JobService, Submitted
    from imagegen.service import ImageService

settings = Settings()  # the environment fills it; a bad value fails the deployment here
LAMBDA_MAX_SECONDS = 900
GRACE_S = 0.5
"""After the deadline a caller still hears of his job: the gateway waits a second longer than is counted on. Later, he
asks again, and a job would be one that he knows nothing of."""
REFUSALS = (400, 401, 404, 405, 406, 409, 410, 413, 415, 422, 429, 500, 503, 504)
router = http.build_router({"/generate": ["POST"]})


@cache
def jobs() -> JobService:
    from imagegen.wiring import build_jobs

    return build_jobs(settings)


@cache
def service() -> ImageService:
    from imagegen.wiring import build_service  # Pillow and boto3: not in the zip function that documents this route

    return build_service(settings)


@router.post(
    "/generate",
    summary="Generate images now, or accept a job where that takes too long",
    description="Prefer: respond-async always accepts a job. Idempotency-Key makes repeating safe.",
    responses=http.answers(Result, *REFUSALS, accepted=JobInfo),
)
def generate(body: Annotated[GenerateRequest, Body()], _key: IdempotencyKey = None, _prefer: Async = None):  # type: ignore[no-untyped-def]
    event, context = router.current_event, router.lambda_context
    http.check_accept(event)
    owner, keyed = job_routes.caller(event), job_routes.keyed(event)
    gateway = Deadline.after(settings.gateway_timeout_seconds - _waited(event.request_context.get("requestTimeEpoch")))
    deadline = gateway.earlier(_function_deadline(context))
    if "respond-async" in http.preferences(event):
        submitted = jobs().submit(body, tenant=owner, keyed=keyed)
        return _render(event, submitted, {"Preference-Applied": "respond-async"})
    if keyed is not None or body.webhook is not None:
        submitted = jobs().run_now(body, tenant=owner, keyed=keyed, service=service(), deadline=deadline)
        return _render(event, submitted)
    try:
        result = service().generate(body, tenant=owner, deadline=deadline)
    except GenerationTimeout:
        if gateway.left() < -GRACE_S:
            raise
        telemetry.handed_over()
        return _render(event, jobs().submit(body, tenant=owner))
    telemetry.generated(result)
    return Response(200, http.JSON, result.model_dump_json())


def _render(event: APIGatewayProxyEvent, submitted: Submitted, headers: dict[str, str] | None = None) -> Response[str]:
    """A job as POST /generate answers it: its result, its error, or 202 while there is neither.

    Raises JobFailed, or JobAlreadyFinal where it was cancelled.
    """
    job, all_headers = submitted.job, job_routes.replayed(submitted) | (headers or {})
    info = jobs().describe(job)
    if info.error is not None:
        raise JobFailed(info.error.code, info.error.status, info.error.detail, headers=all_headers)
    if info.status == "cancelled":
        raise JobAlreadyFinal("The job was cancelled.", headers=all_headers)
    if info.result is None:
        return job_routes.accepted(event, info, all_headers)
    if not submitted.replayed:
        telemetry.generated(info.result)
    return Response(200, http.JSON, info.result.model_dump_json(), headers=dict(all_headers))


app = http.build_app(settings.allowed_origins)
app.include_router(router)


@telemetry.logger.inject_lambda_context(clear_state=True)
@telemetry.metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer an API event (told by its request context), a warm-up ping (by its `warmup`) or a direct invocation."""
    if _is_from_the_gateway(event):
        return http.resolve(app, event, context)
    try:
        return _answer_directly(event, context)
    except ServiceError as error:
        return _refusal(error, context)
    except Exception as error:
        telemetry.crashed(error)
        return _refusal(InternalError(), context)


def _is_from_the_gateway(event: object) -> bool:
    return isinstance(event, dict) and isinstance(event.get("requestContext"), dict) and "httpMethod" in event


def _answer_directly(event: object, context: LambdaContext) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise BodyNotObject("The event must be a JSON object.")
    if "warmup" in event:
        warm = service().warm(WarmUpRequest.parse(event).model)
        telemetry.warmed(warm)
        return warm.model_dump(mode="json")
    request = GenerateRequest.parse(event)
    if request.webhook is not None:
        raise InvalidRequest([FieldError("webhook", "unknown_field", "is for jobs, and a direct invocation is none")])
    result = service().generate(request, tenant=tenant.LOCAL, deadline=_function_deadline(context))
    telemetry.generated(result)
    return result.model_dump(mode="json")


def _waited(request_time_epoch: int | None) -> float:
    """Seconds since the gateway took the request, a cold start included.

    0 where that is not known: sample events carry no time, `sam local start-api` gives every request the time of its
    own start, clocks differ.
    """
    if request_time_epoch is None or settings.aws_sam_local:
        return 0.0
    waited = time.time() - request_time_epoch / 1000
    return waited if 0 <= waited <= LAMBDA_MAX_SECONDS else 0.0


def _function_deadline(context: LambdaContext) -> Deadline:
    return Deadline(lambda: context.get_remaining_time_in_millis() / 1000)


def _refusal(error: ServiceError, context: LambdaContext) -> dict[str, Any]:
    telemetry.failed(error)
    return error.problem(instance="", request_id=context.aws_request_id)


def _prepare() -> None:
    """Load the model while Lambda starts a provisioned environment, which has minutes for that and waits for no one.

    On demand the init phase has ten seconds and then starts again: there the first request loads.
    """
    try:
        telemetry.warmed(service().warm())
    except ServiceError as error:
        telemetry.failed(error)  # requests will say so, and cached answers need no model


if settings.aws_lambda_initialization_type == "provisioned-concurrency":
    _prepare()
