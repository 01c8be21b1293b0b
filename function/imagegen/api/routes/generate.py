"""POST /generate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import Response

from imagegen import telemetry
from imagegen.api import scope
from imagegen.api.headers import prefers_async
from imagegen.api.job_response import accepted_response, replay_header, result_of
from imagegen.api.openapi.problems import BODY, IDEMPOTENCY, KEYED, WORK
from imagegen.api.openapi.responses import PICTURE_HEADERS, accepted, problems, success
from imagegen.api.parameters import Async, IdempotencyKey, ImageRequest
from imagegen.api.picture import MEDIA_TYPES, picture_response, require_fit, wanted_format
from imagegen.api.problem import JSON
from imagegen.api.query import query_parameters
from imagegen.api.rate_limiting import count
from imagegen.api.router import Router, fingerprint
from imagegen.deadline import Deadline
from imagegen.errors import ModerationBlocked
from imagegen.generation.request import GenerateRequest, OutputFormat
from imagegen.generation.result import Result
from imagegen.jobs.service import Submitted
from imagegen.jobs.view import JobInfo

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

    from imagegen.generation.planner import Plan
    from imagegen.settings import Settings
    from imagegen.wiring import Container

LAMBDA_MAX_SECONDS: Final = 900
GRACE_S: Final = 0.5
"""The gateway waits a second longer than GATEWAY_TIMEOUT_SECONDS, so shortly after the deadline the caller still gets a
response. After the grace period the gateway has already responded 504, and a job would be an orphan."""
RESPONSES: Final = (
    success(200, "The images.", Result, ["result"], ["Idempotency-Replayed", *PICTURE_HEADERS], files=MEDIA_TYPES)
    | accepted(JobInfo, ["Idempotency-Replayed", "Preference-Applied"])
    | problems(
        *(*KEYED, *BODY, *IDEMPOTENCY, *WORK),
        *("idempotency_in_progress", "job_already_final", "response_too_large"),
        *("generation_failed", "generation_invalid", "model_unavailable", "storage_unavailable"),
        *("provenance_unavailable", "delivery_unavailable"),
        headers=["Idempotency-Replayed"],
    )
)
"""An error has Idempotency-Replayed if it is that of the request's job."""

router = Router({"/generate": {"POST": "images:write"}})


@router.post(
    "/generate",
    operation_id="createImage",
    tags=["Images"],
    summary="Generate images now",
    description=(
        "200 with the images; 202 with a job if the work does not fit the time left, and always with "
        "`Prefer: respond-async`. An `Idempotency-Key` makes retries safe. `Accept: image/png`, `image/jpeg` or "
        "`image/webp` returns the picture itself."
    ),
    responses=RESPONSES,
)
def generate(body: ImageRequest, _key: IdempotencyKey = None, _prefer: Async = None):  # type: ignore[no-untyped-def]
    """Generate directly, or run a job here if an Idempotency-Key or a webhook needs one."""
    event, container = router.current_event, scope.current().container
    picture = wanted_format(event, body)
    query_parameters(event)
    body = body if picture is None else _in_format(body, picture)
    gateway = _gateway_deadline(event, container.settings)
    tenant, origin = scope.current().named.tenant, scope.current().origin
    _require_allowed(container, body, tenant)
    plan = container.planner.plan(body, container.inputs.read(body, tenant))
    key = fingerprint(event, body, plan.spec)
    if body.webhook is not None:
        container.webhook_registration.require_secret(tenant)
    if prefers_async(event):
        count("drawing")
        submitted = container.jobs.submit(plan, tenant=tenant, fingerprint=key, origin=origin)
        return _accept(container, event, submitted)
    if picture is not None:
        require_fit(plan.spec)
    container.image_store.require_signer()
    render = _Renderer(container, event, as_picture=picture is not None)
    deadline = gateway.earlier(Deadline.of_invocation(router.lambda_context))
    if key is not None or body.webhook is not None:
        count("drawing")
        submitted = container.job_runner.run_now(plan, tenant=tenant, fingerprint=key, deadline=deadline, origin=origin)
        if not (submitted.replayed or submitted.job.final):
            telemetry.became_job()
        return render.job(submitted)
    return _draw(plan, render, deadline=deadline, job_until=gateway.less(-GRACE_S))


def _require_allowed(container: Container, body: GenerateRequest, tenant: str) -> None:
    """Judge the prompt. A block counts as a request, or a caller could try any number of prompts."""
    try:
        container.prompt_judge.require_allowed(body, tenant=tenant, model=container.planner.model(body.model).id)
    except ModerationBlocked:
        count("drawing")
        raise


def _draw(plan: Plan, render: _Renderer, *, deadline: Deadline, job_until: Deadline) -> Response[Any]:
    """Generate without a job, unless the request has to become one."""
    drawing, current = render.container.drawing, scope.current()
    caller = current.named
    admission = drawing.admit(plan, tenant=caller.tenant, deadline=deadline, key_id=caller.remembered_key)
    current.key_checked()
    current.headers |= admission.headers
    drawn = drawing.draw(
        plan,
        admission,
        deadline=deadline,
        job_until=job_until,
        deliver=render.delivered,
        origin=current.origin,
    )
    if isinstance(drawn, Submitted):
        telemetry.became_job()
        return render.job(drawn)
    result, response = drawn
    telemetry.generated(result)
    return response


def _in_format(body: GenerateRequest, picture: OutputFormat) -> GenerateRequest:
    """Return the request for a picture in this format. With an Idempotency-Key, another format is another request."""
    chosen = {"output_format": picture}
    scope.current().body = {**scope.current().body, **chosen}
    return body.model_copy(update=chosen)


def _accept(container: Container, event: APIGatewayProxyEvent, submitted: Submitted) -> Response[str]:
    """Return 202 with the job, which may already be final: a worker was quick, or the request is repeated."""
    headers = replay_header(submitted) | {"Preference-Applied": "respond-async"}
    return accepted_response(event, container.job_renderer.render(submitted.job), headers)


@dataclass(frozen=True)
class _Renderer:
    """Renders results as JSON or as the picture itself."""

    container: Container
    event: APIGatewayProxyEvent
    as_picture: bool

    def result(self, result: Result, headers: Mapping[str, str] | None = None) -> Response[Any]:
        """Return 200 with the result. Raises StorageUnavailable."""
        if self.as_picture:
            return picture_response(result, self.container.image_store, headers)
        return Response(200, JSON, result.model_dump_json(), headers=dict(headers or {}))

    def delivered(self, result: Result) -> tuple[Result, Response[Any]]:
        """Return the result and its response."""
        return result, self.result(result)

    def job(self, submitted: Submitted) -> Response[Any]:
        """Return the response of POST /generate for a job: its result, its error, or 202 while it has neither.

        Raises JobFailed, or JobAlreadyFinal if the job was cancelled.
        """
        headers = replay_header(submitted)
        info = self.container.job_renderer.render(submitted.job)
        result = result_of(info, headers)
        if result is None:
            return accepted_response(self.event, info, headers)
        response = self.result(result, headers)
        if not submitted.replayed:
            telemetry.generated(result)
        return response


def _gateway_deadline(event: APIGatewayProxyEvent, settings: Settings) -> Deadline:
    waited = _waited(event.request_context.get("requestTimeEpoch"), settings)
    return Deadline.after(settings.gateway_timeout_seconds - waited)


def _waited(request_time_epoch: int | None, settings: Settings) -> float:
    """Return the seconds since the gateway received the request, including a cold start.

    0 if unknown: sample events have no time, `sam local start-api` sends its own start time, and clocks differ.
    """
    if request_time_epoch is None or settings.aws_sam_local:
        return 0.0
    waited = time.time() - request_time_epoch / 1000
    return waited if 0 <= waited <= LAMBDA_MAX_SECONDS else 0.0
