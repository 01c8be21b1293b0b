"""What every HTTP entrypoint shares: strict bodies, error documents, CORS and the request's id."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestUnsupportedContentType, RequestValidationError
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import BaseModel, Field

from imagegen import telemetry
from imagegen.errors import (
    InternalError,
    MalformedJson,
    MethodNotAllowed,
    NotAcceptable,
    PayloadTooLarge,
    RouteNotFound,
    ServiceError,
    UnsupportedMediaType,
)
from imagegen.request import invalid_request
from imagegen.strict_json import parse_object

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
    from aws_lambda_powertools.utilities.typing import LambdaContext

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
MAX_BODY_BYTES: Final = 1024 * 1024
"""No text-to-image request comes near; API Gateway itself stops at 10 MB."""
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


class FieldProblem(BaseModel):
    field: str
    code: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details, with the contract's code, the request's id and one entry per wrong field."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldProblem] = Field(default_factory=list)


def build_app(allowed_origins: Sequence[str]) -> APIGatewayRestResolver:
    """A resolver that reads bodies strictly and answers every error as a problem document."""
    cors = CORSConfig(
        allow_origin=allowed_origins[0],
        extra_origins=list(allowed_origins[1:]),
        allow_headers=["Content-Type", "X-Api-Key", "Idempotency-Key", "Prefer"],
        expose_headers=["X-Request-Id", "Retry-After", "Location", "Idempotency-Replayed", "Preference-Applied"],
        max_age=3600,
    )

    def strict_body(_: str) -> dict[str, Any]:
        return _json_object(app.current_event)

    app = APIGatewayRestResolver(cors=cors, enable_validation=True, json_body_deserializer=strict_body)

    @app.exception_handler(ServiceError)
    def service_error(error: ServiceError) -> Response[str]:
        return _problem(app, error)

    @app.exception_handler(RequestValidationError)
    def invalid(error: RequestValidationError) -> Response[str]:
        return _problem(app, _translate(error))

    @app.exception_handler(RequestUnsupportedContentType)
    def unsupported(_: RequestUnsupportedContentType) -> Response[str]:
        return _problem(app, UnsupportedMediaType(f"The body must be {JSON} in UTF-8, without Content-Encoding."))

    @app.exception_handler(UnicodeDecodeError)
    def not_utf8(error: UnicodeDecodeError) -> Response[str]:
        return _problem(app, MalformedJson(f"The body is not UTF-8 (byte {error.start})."))

    @app.not_found
    def not_found(_: NotFoundError) -> Response[str]:
        return _problem(app, RouteNotFound("There is no such route."))

    @app.exception_handler(Exception)
    def crash(error: Exception) -> Response[str]:
        telemetry.crashed(error)
        return _problem(app, InternalError())

    return app


def resolve(app: APIGatewayRestResolver, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Route the event; every answer carries the request's id, whatever made it."""
    request_id = event["requestContext"].get("requestId", "")
    telemetry.requested(request_id)
    answer: dict[str, Any] = app.resolve(_plain(event), context)
    answer["multiValueHeaders"]["x-request-id"] = [request_id]
    return answer


def answers(model: type[BaseModel] | None, *refusals: int, accepted: type[BaseModel] | None = None) -> dict[int, Any]:
    """The `responses` of a route's documentation: 200 with the model, or 204 without one, 202 with what was accepted
    instead where that may be, the others with a problem document."""
    documented: dict[int, Any] = {204: {"description": "done", "content": {}}}
    if model is not None:
        documented = {200: {"description": "done", "content": {JSON: {"model": model}}}}
    if accepted is not None:
        documented[202] = {"description": "accepted as a job", "content": {JSON: {"model": accepted}}}
    for status in refusals:
        documented[status] = {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"model": Problem}}}
    return documented


def body_of(event: APIGatewayProxyEvent) -> dict[str, Any]:
    """The whole body as it came, for the Idempotency-Key to be compared by."""
    return _json_object(event)


def preferences(event: APIGatewayProxyEvent) -> dict[str, str]:
    """The Prefer header's preferences in lower case (RFC 7240); a later one of the same name counts for nothing."""
    found: dict[str, str] = {}
    for preference in (event.headers.get("Prefer") or "").lower().split(","):
        name, _, value = preference.split(";")[0].partition("=")
        found.setdefault(name.strip(), value.strip().strip('"'))
    return found


def base_of(event: APIGatewayProxyEvent) -> str:
    """What stands before a route without parameters on the caller's side: the stage, or a custom domain's base path."""
    return event.request_context.path.rstrip("/").removesuffix(event.path)


def build_router(routes: Mapping[str, Sequence[str]]) -> APIGatewayRouter:
    """A router that answers 405 with Allow for every other method of its paths: the gateway sends it `ANY`."""
    router = APIGatewayRouter()  # type: ignore[no-untyped-call]
    for path, allowed in routes.items():
        others = [method for method in METHODS if method not in allowed]
        router.route(path, method=others, include_in_schema=False)(_refusal([*allowed, "OPTIONS"]))
    return router


def _refusal(allowed: Sequence[str]) -> Callable[[], None]:
    def refuse() -> None:
        raise MethodNotAllowed(allowed)

    return refuse


def check_accept(event: APIGatewayProxyEvent) -> None:
    """Raise NotAcceptable unless the caller takes JSON: the most specific range decides (RFC 9110, 12.5.1)."""
    specificity = {JSON: 2, PROBLEM: 2, "application/*": 1, "*/*": 0}
    accepted = []
    for choice in (event.headers.get("Accept") or "*/*").lower().split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media in specificity:
            accepted.append((specificity[media], _quality(parameters)))
    if not accepted or max(accepted)[1] == 0:
        raise NotAcceptable(f"This route answers {JSON}.")


def _quality(parameters: Sequence[str]) -> float:
    """The weight of a media range, 1 where none is given, 0 where it is no number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    """The event as Powertools reads it rightly.

    A body that is not UTF-8 JSON as it stands gets a type that Powertools refuses: it would parse forms, too, and
    decode before anybody looks at a charset.
    """
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    media = Message()
    media["Content-Type"] = headers.get("content-type") or ""
    is_json = media.get_content_type() == JSON and str(media.get_param("charset", "utf-8")).lower() == "utf-8"
    headers["content-type"] = JSON if is_json and not headers.get("content-encoding") else "refused"
    return event | {"headers": headers, "path": _route(event)}


def _route(event: dict[str, Any]) -> str:
    """The gateway's resource with its parameters, which hold no slash of the route's: a custom domain's base path is
    no part of it, and what the gateway has decoded is encoded again."""
    parameters = event.get("pathParameters") or {}
    return re.sub(r"{(\w+)}", lambda name: quote(parameters[name[1]], safe=""), event["resource"])


def _json_object(event: APIGatewayProxyEvent) -> dict[str, Any]:
    """The body as one JSON object. Raises PayloadTooLarge or one of the syntax errors."""
    body = event.body or ""
    raw = base64.b64decode(body) if event.is_base64_encoded else body.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"The body must have at most {MAX_BODY_BYTES} bytes.")
    return parse_object(raw)


def _translate(error: RequestValidationError) -> ServiceError:
    errors = error.errors()
    if errors[0]["loc"] == ("body",):
        return MalformedJson("The body is empty.")
    return invalid_request([each | {"loc": each["loc"][1:]} for each in errors])


def _problem(app: APIGatewayRestResolver, error: ServiceError) -> Response[str]:
    telemetry.failed(error)
    event = app.current_event
    document = error.problem(instance=event.path, request_id=event.request_context.request_id or "")
    return Response(error.status, PROBLEM, json.dumps(document), headers=dict(error.headers))
