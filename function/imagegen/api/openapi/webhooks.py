"""The webhooks of the document: what a receiver gets (Standard Webhooks 1.0). webhooks/delivery.py sends them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, get_args

from pydantic import Field

from imagegen.api.problem import JSON
from imagegen.generation.request import WebhookEvent
from imagegen.generation.result import ResponseModel
from imagegen.jobs.view import JobInfo


class JobEvent(ResponseModel):
    """The body of a webhook."""

    type: WebhookEvent
    timestamp: datetime = Field(description="When the job ended.")
    data: JobInfo = Field(description="What `GET /jobs/{job_id}` returns, with URLs signed for this attempt.")


_HEADERS: Final = (
    (
        "webhook-id",
        "The same for every attempt. Ignore an id that you have seen before.",
        "msg_01KAJ9X2S4QZ8W3V5N7M6K1H0G",
    ),
    ("webhook-timestamp", "When this attempt was made, in seconds since 1970.", "1795273200"),
    (
        "webhook-signature",
        "One or two signatures, separated by a space. The webhook is genuine if one of them is `v1,` and the base64 of "
        "the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}` with your secret.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
)
_RESPONSES: Final = {
    "2XX": {"description": "Received. Respond within 15 seconds; the body is not read."},
    "410": {"description": "Gone: the service makes no further attempt."},
    "default": {"description": "The service tries again, for two days in total. It does not follow redirects."},
}


def webhooks() -> dict[str, Any]:
    """Return the document's webhooks by event type."""
    return {event: {"post": _operation(event)} for event in get_args(WebhookEvent)}


def _operation(event: str) -> dict[str, Any]:
    state = event.removeprefix("job.")
    content = {
        "schema": {"$ref": f"#/components/schemas/{JobEvent.__name__}"},
        "examples": {f"job_{state}_event": {"$ref": f"#/components/examples/job_{state}_event"}},
    }
    return {
        "operationId": f"onJob{state.title()}",
        "tags": ["Webhooks"],
        "summary": f"A job has {'been cancelled' if state == 'cancelled' else state}",
        "description": f"The service sends this to `webhook.url` of the request if `webhook.events` has `{event}`.",
        "security": [],
        "parameters": [_header(*header) for header in _HEADERS],
        "requestBody": {"required": True, "content": {JSON: content}},
        "responses": _RESPONSES,
    }


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }
