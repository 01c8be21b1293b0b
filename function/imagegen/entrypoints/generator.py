"""The container function for POST /generate and POST /verify, warm-up pings and direct invocations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from imagegen import telemetry
from imagegen.access import tenant
from imagegen.api.app import build_app, resolve
from imagegen.api.event_kind import REST_API, is_rest_api, refusal
from imagegen.api.job_response import result_of
from imagegen.api.routes import generate, verify
from imagegen.deadline import Deadline
from imagegen.entrypoints import initialized
from imagegen.errors import (
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    InternalError,
    InvalidRequest,
    ServiceError,
)
from imagegen.generation.request import GenerateRequest, WarmUpRequest
from imagegen.generation.result import Result, WarmUp
from imagegen.jobs.idempotency import IdempotencyFingerprint
from imagegen.origin import Origin
from imagegen.problem_details import FieldError
from imagegen.wiring import Container

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from imagegen.generation.planner import Plan

DIRECT: Final = 'direct invocations with a request such as {"prompt": "a red circle"}'
KEY: Final = "idempotency_key"
"""Field of a direct invocation, which has no headers, for what Idempotency-Key is for POST /generate."""
_ENVIRONMENT: Final = uuid4().hex
"""Lambda runs one process in each environment: tells whether pings found different ones."""
_FIELDS: Final = {*GenerateRequest.model_fields, *WarmUpRequest.model_fields, KEY}

container = Container.from_environment()
app = build_app(container.settings.allowed_origins, generate.router, verify.router)


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Respond to a REST API's event, a warm-up ping (`warmup`) or a direct invocation, and refuse any other event."""
    if is_rest_api(event):
        return resolve(app, container, event, context)
    if not _is_direct(event):
        return refusal(context, REST_API, DIRECT)
    try:
        return _invoke(event, context)
    except ServiceError as error:
        return _problem(error, context)
    except Exception as error:
        telemetry.crashed(error)
        return _problem(InternalError(), context)


def _is_direct(event: object) -> bool:
    """Return whether the event has a field of a request. No event of an AWS service has one at its top level."""
    return isinstance(event, dict) and not _FIELDS.isdisjoint(event)


def _invoke(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if "warmup" in event:
        return _answer_ping(WarmUpRequest.parse(event))
    body = {name: value for name, value in event.items() if name != KEY}
    request = GenerateRequest.parse(body)
    if request.webhook is not None:
        message = "is only for jobs, and a direct invocation creates none; leave it out"
        raise InvalidRequest([FieldError("webhook", "unknown_field", message)])
    model = container.planner.model(request.model)
    container.prompt_judge.require_allowed(request, tenant=tenant.LOCAL, model=model.id)
    pictures = container.inputs.read(request, tenant.LOCAL)
    plan, deadline = container.planner.plan(request, pictures), Deadline.of_invocation(context)
    container.image_store.require_signer()
    if KEY in event:
        fingerprint = _fingerprint(event[KEY], body, request, plan)
        return _run_once(plan, fingerprint, deadline, Origin(context.aws_request_id)).model_dump(mode="json")
    result = container.images.generate(plan, tenant=tenant.LOCAL, deadline=deadline)
    telemetry.generated(result)
    return result.model_dump(mode="json")


def _run_once(plan: Plan, fingerprint: IdempotencyFingerprint | None, deadline: Deadline, origin: Origin) -> Result:
    """Run a job in place, or return the result of the key's job. A job that did not fit the time continues in a worker.

    Raises IdempotencyInProgress while the key's job has no result: waiting for it would be billed like generating it.
    """
    submitted = container.job_runner.run_now(
        plan, tenant=tenant.LOCAL, fingerprint=fingerprint, deadline=deadline, origin=origin
    )
    result = result_of(container.job_renderer.render(submitted.job))
    if result is None:
        raise IdempotencyInProgress
    if not submitted.replayed:
        telemetry.generated(result)
    return result


def _fingerprint(
    key: object, body: dict[str, Any], request: GenerateRequest, plan: Plan
) -> IdempotencyFingerprint | None:
    if not isinstance(key, str):
        raise IdempotencyKeyInvalid
    return IdempotencyFingerprint.of(key, "direct invocation", body, request, plan.spec)


def _answer_ping(request: WarmUpRequest) -> dict[str, Any]:
    started = time.monotonic()
    warm_up = _warm(request.model)
    # Lambda gives no other ping to this environment meanwhile.
    time.sleep(max(0.0, request.hold_ms / 1000 - (time.monotonic() - started)))
    return {**warm_up.model_dump(mode="json"), "environment": _ENVIRONMENT}


def _warm(model_id: str | None) -> WarmUp:
    warm_up = container.images.warm(container.planner.warm_up(model_id))
    telemetry.warmed(warm_up)
    return warm_up


def _problem(error: ServiceError, context: LambdaContext) -> dict[str, Any]:
    telemetry.failed(error)
    document = error.problem(request_id=context.aws_request_id)
    for each in document["errors"]:
        each["field"] = KEY if each["field"] == "Idempotency-Key" else each["field"]
    return document


def _initialize() -> None:
    """Load the model in the init phase of an environment with provisioned concurrency, which may take minutes.

    Lambda restarts an on-demand init phase after ten seconds, so there the first request loads the model.
    """
    try:
        _warm(None)
    except ServiceError as error:
        telemetry.failed(error)  # a request will report it, and a cached result needs no model


initialized()
if container.settings.provisioned:
    _initialize()
