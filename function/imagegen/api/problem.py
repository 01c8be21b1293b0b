"""Error responses: problem documents (RFC 9457), and how routes document them."""

from __future__ import annotations

import json
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, Field

from imagegen import telemetry
from imagegen.api import scope
from imagegen.errors import ServiceError
from imagegen.problem_details import MEDIA_TYPE, reason_phrase

JSON: Final = "application/json"


class FieldProblem(BaseModel):
    """One invalid field."""

    field: str
    code: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details, with the error's code, the request id and one entry per invalid field."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldProblem] = Field(default_factory=list)


def problem_response(error: ServiceError) -> Response[str]:
    """Log the error and return its problem document."""
    telemetry.failed(error)
    document = error.problem(request_id=scope.current().request_id)
    return Response(error.status, MEDIA_TYPE, json.dumps(document), headers=dict(error.headers))


def responses(model: type[BaseModel] | None, *errors: int, accepted: type[BaseModel] | None = None) -> dict[int, Any]:
    """Return the documentation of a route's responses for Powertools.

    200 with `model`, or 204 without one; 202 with `accepted` if given; each status of `errors` with a problem document.
    """
    documented: dict[int, Any] = {204: {"description": "done", "content": {}}}
    if model is not None:
        documented = {200: {"description": "done", "content": {JSON: {"model": model}}}}
    if accepted is not None:
        documented[202] = {"description": "accepted as a job", "content": {JSON: {"model": accepted}}}
    for status in errors:
        documented[status] = {"description": reason_phrase(status), "content": {MEDIA_TYPE: {"model": Problem}}}
    return documented
