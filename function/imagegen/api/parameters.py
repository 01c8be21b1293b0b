"""Parameters and the body of a request, for the OpenAPI document.

Documentation only: the routes read headers and the query from the event. Powertools would reject a header that occurs
twice, as Prefer may (RFC 7240), so the type is Any. Schemas of optional parameters have no example: Swagger UI would
send it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path, Query
from pydantic import WithJsonSchema

from imagegen.api.query import MAX_LIMIT
from imagegen.generation.request import GenerateRequest
from imagegen.jobs.job import STATES

PROMPT: Final = "a small red circle on a white background"

EXAMPLES: Final[Any] = {
    "seeded": {"summary": "One image that you can repeat", "value": {"prompt": PROMPT, "seed": 7}},
    "several": {
        "summary": "Two JPEG files, labelled",
        "value": {
            "prompt": PROMPT,
            "num_images_per_prompt": 2,
            "output_format": "jpeg",
            "metadata": {"order": "A-17"},
        },
    },
}
"""Requests that every deployment can serve: they leave to the model what depends on it."""
_KEY_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*$"}

ImageRequest = Annotated[
    GenerateRequest, Body(description="What to generate. Only `prompt` is required.", openapi_examples=EXAMPLES)
]
JobId = Annotated[
    str,
    Path(description="The `id` of one of your jobs, from the response of `submitJob`, `createImage` or `listJobs`."),
]
IdempotencyKey = Annotated[
    Any,
    Header(
        alias="Idempotency-Key",
        description=(
            "Makes retries safe for 24 hours: the same key with the same body returns the first response again. 1 to "
            "255 printable ASCII characters, such as a UUID."
        ),
    ),
    WithJsonSchema(_KEY_SCHEMA),
]
UnusedIdempotencyKey = Annotated[
    Any,
    Header(
        alias="Idempotency-Key",
        description="Not needed: the operation is safe to repeat. A key must be valid, but has no effect.",
    ),
    WithJsonSchema(_KEY_SCHEMA),
]
IfNoneMatch = Annotated[
    Any,
    Header(alias="If-None-Match", description="The `ETag` of an earlier response."),
    WithJsonSchema({"type": "string"}),
]
Async = Annotated[
    Any,
    Header(alias="Prefer", description="`respond-async`: always create a job and respond 202."),
    WithJsonSchema({"type": "string"}),
]
Wait = Annotated[
    Any,
    Header(
        alias="Prefer",
        description="`wait=N`: respond 200 as soon as the job is final, or 202 after N seconds, at most 25.",
    ),
    WithJsonSchema({"type": "string"}),
]
_MONTH_SCHEMA: Final = {"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"}
FromMonth = Annotated[
    Any,
    Query(alias="from", description="The first month, such as 2026-11. Default: that of `to`, or this month."),
    WithJsonSchema(_MONTH_SCHEMA),
]
ToMonth = Annotated[
    Any,
    Query(alias="to", description="The last month, which is included. Default: this month."),
    WithJsonSchema(_MONTH_SCHEMA),
]
Month = Annotated[
    Any,
    Query(alias="month", description="The month (UTC), such as 2026-11. Default: this month."),
    WithJsonSchema(_MONTH_SCHEMA),
]
RowLimit = Annotated[
    Any,
    Query(alias="limit", description="Maximum number of rows to return. Default: 100."),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
]
RowCursor = Annotated[
    Any,
    Query(alias="cursor", description="The `cursor` returned with the previous page, for the same month."),
    WithJsonSchema({"type": "string"}),
]
Limit = Annotated[
    Any,
    Query(alias="limit", description="Maximum number of jobs to return. Default: 20."),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
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
