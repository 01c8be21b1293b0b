"""Headers and query parameters for the OpenAPI document.

Documentation only: the routes read the event. Powertools would reject a header that occurs twice, as Prefer may
(RFC 7240), so the type is Any.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args

from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from pydantic import WithJsonSchema

from imagegen.jobs.job import State

STATES: Final = get_args(State)

IdempotencyKey = Annotated[
    Any,
    Header(alias="Idempotency-Key", description="Makes retries with the same key safe for 24 hours."),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$"}),
]
Async = Annotated[
    Any,
    Header(alias="Prefer", description="respond-async: always create a job and respond 202."),
    WithJsonSchema({"type": "string", "examples": ["respond-async"]}),
]
Wait = Annotated[
    Any,
    Header(
        alias="Prefer",
        description="wait=N: respond 200 as soon as the job is final, or 202 after N seconds, at most 25.",
    ),
    WithJsonSchema({"type": "string", "examples": ["wait=10"]}),
]
Limit = Annotated[
    Any,
    Query(alias="limit", description="Maximum number of jobs to return. Default: 20."),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 100}),
]
Cursor = Annotated[
    Any,
    Query(alias="cursor", description="The `cursor` returned with the previous page."),
    WithJsonSchema({"type": "string"}),
]
Status = Annotated[
    Any,
    Query(alias="status", description="Return only jobs with this status."),
    WithJsonSchema({"type": "string", "enum": [*STATES]}),
]
