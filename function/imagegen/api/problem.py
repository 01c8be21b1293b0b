"""Error responses: problem documents (RFC 9457)."""

from __future__ import annotations

import json
from typing import Annotated, Final

from aws_lambda_powertools.event_handler import Response
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from imagegen import telemetry
from imagegen.api import scope
from imagegen.errors import ServiceError
from imagegen.generation.result import FOUND, JUDGED, ResponseModel
from imagegen.problem_details import MEDIA_TYPE

JSON: Final = "application/json"


class FieldProblem(ResponseModel):
    """One invalid field, header or parameter."""

    field: str = Field(description="Dotted path such as `metadata.color`, or a name.")
    code: str
    message: str = Field(description="What is wrong, with the allowed values. For people: it may change.")


class Problem(ResponseModel):
    """RFC 9457 problem details, with the error's code, the request id and one entry per invalid field."""

    type: str = Field(description="`urn:imagegen:error:` and the code.", json_schema_extra={"format": "uri"})
    title: str = Field(description="Name of the status code.")
    status: int = Field(description="The response's status code.")
    detail: str = Field(description="What went wrong, and the way out. For people: it may change.")
    instance: str = Field(
        description="`urn:imagegen:request:` and the request's id.", json_schema_extra={"format": "uri"}
    )
    code: str
    request_id: str = Field(description="Value of the header x-request-id.")
    stage: Annotated[str | SkipJsonSchema[None], JUDGED] = None
    category: Annotated[str | SkipJsonSchema[None], FOUND] = None
    errors: list[FieldProblem] = Field(description="What is invalid, at most 20 entries; empty for other errors.")


def problem_response(error: ServiceError) -> Response[str]:
    """Log the error and return its problem document."""
    telemetry.failed(error)
    document = error.problem(request_id=scope.current().request_id)
    return Response(error.status, MEDIA_TYPE, json.dumps(document), headers=dict(error.headers))
