"""Headers and query parameters as the OpenAPI document tells of them.

Documentation alone. Powertools takes whatever came for Any, since it would refuse what comes twice, as Prefer may
(RFC 7240); the routes read the event.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args

from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from pydantic import WithJsonSchema

from imagegen.jobs import State

STATES: Final = get_args(State)

IdempotencyKey = Annotated[
    Any,
    Header(alias="Idempotency-Key", description="Repeating with the same key is safe, for 24 hours."),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$"}),
]
Async = Annotated[
    Any,
    Header(alias="Prefer", description="respond-async: always accept a job."),
    WithJsonSchema({"type": "string", "examples": ["respond-async"]}),
]
Wait = Annotated[
    Any,
    Header(alias="Prefer", description="wait=N: answer 200 if it finishes within N seconds, 25 at most."),
    WithJsonSchema({"type": "string", "examples": ["wait=10"]}),
]
Limit = Annotated[
    Any,
    Query(alias="limit", description="Jobs on a page, 20 unless told."),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 100}),
]
Cursor = Annotated[
    Any,
    Query(alias="cursor", description="The page before names it."),
    WithJsonSchema({"type": "string"}),
]
Status = Annotated[
    Any,
    Query(alias="status", description="Jobs in this state alone."),
    WithJsonSchema({"type": "string", "enum": [*STATES]}),
]
