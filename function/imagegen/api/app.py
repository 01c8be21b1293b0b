"""What all HTTP entrypoints share: strict bodies, error responses, CORS and the request id."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError

from imagegen import origin, telemetry
from imagegen.access import ports
from imagegen.access.ports import UnknownKey, UnknownTenant
from imagegen.api import scope
from imagegen.api.body_size import check_size
from imagegen.api.cors import cors_config, preflight_headers
from imagegen.api.headers import header_lines, trace_id
from imagegen.api.media_type import media_type_error
from imagegen.api.problem import JSON, problem_response
from imagegen.api.raw_body import raw_body
from imagegen.api.strict_json import parse_object
from imagegen.errors import (
    InternalError,
    KeyEnded,
    KeyNotFound,
    MalformedJson,
    RouteNotFound,
    ServiceError,
    TenantNotFound,
    UnsupportedMediaType,
)
from imagegen.generation.request import invalid_request
from imagegen.jobs.job import UnreadableJob

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.router import APIGatewayRouter
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from pydantic import BaseModel

    from imagegen.settings import Settings
    from imagegen.wiring import Container

_CACHE_CONTROL: Final = {
    "/docs": "public, max-age=300",
    "/openapi.json": "public, max-age=300",
    "/models": "private, max-age=300",
}
"""They change only with a deployment, /models unless a model's versions roll. Any other response is `no-store`: it may
contain signed URLs."""


def build_app(allowed_origins: Sequence[str], *routers: APIGatewayRouter) -> APIGatewayRestResolver:
    """Return a resolver for the routers that reads bodies strictly and returns every error as a problem document."""

    def read_body(_: str) -> dict[str, Any]:
        body = _json_object(app)
        scope.current().body = body
        return body

    # Debug mode, which POWERTOOLS_DEV would start, prints events with their credentials, and answers with a traceback.
    app = APIGatewayRestResolver(
        cors=cors_config(allowed_origins), debug=False, enable_validation=True, json_body_deserializer=read_body
    )

    def media_type(_: RequestUnsupportedContentType) -> ServiceError:
        return media_type_error(app.current_event["multiValueHeaders"]) or UnsupportedMediaType()

    def invalid(error: RequestValidationError) -> ServiceError:
        (body,) = app.context["_route"].dependant.body_params  # no other parameter can be invalid
        return _invalid(body.type_, error)

    own: dict[type[Exception], Callable[[Any], ServiceError]] = {
        RequestUnsupportedContentType: media_type,
        RequestValidationError: invalid,
    }
    for kind, translate in (_TRANSLATIONS | own).items():
        app.exception_handler(kind)(_error_handler(translate))
    app.not_found(_error_handler(_TRANSLATIONS[NotFoundError]))
    for router in routers:
        app.include_router(router)
    return app


def resolve(
    app: APIGatewayRestResolver, container: Container, event: dict[str, Any], context: LambdaContext
) -> dict[str, Any]:
    """Route the event with the container's services. HEAD is answered as GET without the body (RFC 9110, 9.3.2)."""
    request_id = origin.request_id(event["requestContext"].get("requestId"), context.aws_request_id)
    entered = scope.enter(container, request_id, trace_id(event))
    telemetry.requested(entered.origin, event["httpMethod"], event["resource"])
    response: dict[str, Any] = app.resolve(_normalized(event), context)
    limits = {name: [value] for name, value in entered.headers.items()}
    common = _common_headers(event, response, container.settings, request_id)
    response["multiValueHeaders"] |= limits | common
    return response | {"body": ""} if event["httpMethod"] == "HEAD" else response


def _common_headers(
    event: dict[str, Any], response: dict[str, Any], settings: Settings, request_id: str
) -> dict[str, list[str]]:
    """Return the headers of every response. With several origins, caches must tell them apart (Fetch, CORS)."""
    rolls = event["resource"] == "/models" and settings.model_rollout != ""
    cacheable = response["statusCode"] == HTTPStatus.OK and not rolls
    cache_control = _CACHE_CONTROL.get(event["resource"], "no-store") if cacheable else "no-store"
    headers = {"x-request-id": request_id, "cache-control": cache_control}
    vary = ["Origin"] if len(settings.allowed_origins) > 1 else []
    if event["httpMethod"] == "OPTIONS":
        headers |= preflight_headers(header_lines(event), response["multiValueHeaders"])
        vary.append("Access-Control-Request-Headers")
    return {name: [value] for name, value in headers.items()} | ({"vary": [", ".join(vary)]} if vary else {})


def _error_handler(translate: Callable[[Any], ServiceError]) -> Callable[[Any], Response[str]]:
    return lambda error: problem_response(translate(error))


def _crash(error: Exception) -> ServiceError:
    telemetry.crashed(error)
    return InternalError()


def _invalid(model: type[BaseModel], error: RequestValidationError) -> ServiceError:
    errors = error.errors()
    if errors[0]["loc"] == ("body",):
        return MalformedJson("The body is empty. Send a JSON object.")
    return invalid_request(model, [each | {"loc": each["loc"][1:]} for each in errors])


_TRANSLATIONS: Final[dict[type[Exception], Callable[[Any], ServiceError]]] = {
    ServiceError: lambda error: error,
    UnreadableJob: UnreadableJob.as_error,
    UnknownTenant: lambda _: TenantNotFound(),
    UnknownKey: lambda _: KeyNotFound(),
    ports.KeyEnded: lambda _: KeyEnded(),
    UnicodeDecodeError: lambda error: MalformedJson(f"The body is not UTF-8 (byte {error.start})."),
    binascii.Error: lambda _: MalformedJson("The event's body is not base64, but isBase64Encoded is true."),
    NotFoundError: lambda _: RouteNotFound(),
    Exception: _crash,
}


def _json_object(app: APIGatewayRestResolver) -> dict[str, Any]:
    """Return the body as a JSON object. Raises PayloadTooLarge or one of the syntax errors."""
    raw = raw_body(app.current_event)
    check_size(raw)
    return parse_object(raw)


def _normalized(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event in a form that Powertools reads correctly.

    A body that is not plain UTF-8 JSON gets a media type that Powertools rejects. Otherwise Powertools would also parse
    forms, and would ignore the charset.
    """
    lines = header_lines(event)
    headers = {name: ", ".join(values) for name, values in lines.items()}
    headers["content-type"] = JSON if media_type_error(lines) is None else "rejected"
    method = "GET" if event["httpMethod"] == "HEAD" else event["httpMethod"]
    return event | {"headers": headers, "multiValueHeaders": lines, "path": _path(event), "httpMethod": method}


def _path(event: dict[str, Any]) -> str:
    """Return the gateway's resource with its parameters filled in.

    Unlike the event's own path, it omits a custom domain's base path, and parameters that the gateway decoded are
    encoded again.
    """
    parameters = event.get("pathParameters") or {}
    return re.sub(r"{(\w+)}", lambda name: quote(str(parameters.get(name[1], "")), safe=""), event["resource"])
