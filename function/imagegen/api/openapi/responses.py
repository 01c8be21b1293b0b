"""How a route documents its responses: schema, headers, examples, and error codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel

from imagegen.api.openapi.problems import ERRORS
from imagegen.api.problem import JSON, Problem
from imagegen.problem_details import MEDIA_TYPE, reason_phrase

Responses = dict[int, Any]

ANY_CREDENTIAL: Final[list[dict[str, list[str]]]] = [{"ApiKey": []}, {"Bearer": []}]
"""The security of a route that needs a caller: one of the two. Routes without it are public."""

HEADERS: Final[dict[str, Any]] = {
    "x-request-id": {
        "description": "Identifies the request in the deployment's logs. Quote it when you report a problem.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Path of the job, with the stage or the custom domain's base path.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/v1/jobs/01KAJ9X2S4QZ8W3V5N7M6K1H0G",
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 9110): as a bearer, or with an API key in the header x-api-key.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before you try again, or look at the job again. Absent if that cannot help.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit": {
        "description": "Requests left of the route's limit, `r`, and seconds until it is full, `t`. Absent without a "
        "limit.",
        "schema": {"type": "string"},
        "example": '"looking";r=39;t=1',
    },
    "RateLimit-Policy": {
        "description": "The route's limit: `q` requests at once, and as many again within `w` seconds. Absent without "
        "one.",
        "schema": {"type": "string"},
        "example": '"looking";q=40;w=4',
    },
    "Content-Disposition": {
        "description": "The picture's name. Only with a picture.",
        "schema": {"type": "string"},
        "example": 'inline; filename="demo-7.png"',
    },
    "Image-Id": {
        "description": "The result's `id`. Only with a picture.",
        "schema": {"type": "string"},
    },
    "Image-Seed": {
        "description": "The picture's `seed`. Only with a picture.",
        "schema": {"type": "integer", "format": "int64"},
    },
    "Image-Cost-Usd": {
        "description": "The result's `cost.usd`. Only with a picture.",
        "schema": {"type": "number"},
    },
    "Image-Cached": {
        "description": "The result's `cached`. Only with a picture.",
        "schema": {"type": "boolean"},
    },
    "Image-Warnings": {
        "description": "The codes of the result's `warnings`, separated by commas. Only with a picture that has some.",
        "schema": {"type": "string"},
        "example": "prompt_truncated",
    },
    "ETag": {
        "description": "Send it as `If-None-Match` to get 304 while nothing has changed.",
        "schema": {"type": "string"},
        "example": 'W/"5f2b8c1d9e0a47b6c3d2e1f0a9b8c7d6"',
    },
    "Idempotency-Replayed": {
        "description": "Present if an earlier request with the same Idempotency-Key created this response's job.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Preference-Applied": {
        "description": "The preference of the Prefer header that the service honored (RFC 7240).",
        "schema": {"type": "string"},
    },
}
"""Every documented response header."""
PICTURE_HEADERS: Final = (
    *("Content-Disposition", "Image-Id", "Image-Seed", "Image-Cost-Usd", "Image-Cached", "Image-Warnings"),
)
JOB_LINKS: Final[dict[str, Any]] = {
    name: {
        "operationId": name,
        "parameters": {"job_id": "$response.body#/id"},
        "description": f"The `id` of this response is the `job_id` of `{name}`.",
    }
    for name in ("getJob", "cancelJob", "deleteJob")
}


def success(
    status: int,
    description: str,
    model: type[BaseModel],
    examples: Sequence[str],
    headers: Sequence[str] = (),
    files: Sequence[str] = (),
) -> Responses:
    """Return the documentation of a response with a body. `examples` and `headers` are names of components.

    `files` are the media types of files that the response can be instead.
    """
    json = {"schema": _ref("schemas", model.__name__), "examples": _refs("examples", examples)}
    content = {JSON: json, **{media: {} for media in files}}
    return {status: {"description": description, "headers": _headers(headers), "content": content}}


def accepted(model: type[BaseModel], headers: Sequence[str]) -> Responses:
    """Return the documentation of a 202 response with a job and links to the operations on it."""
    documented = success(
        202, "The service accepted the job.", model, ["job_queued"], ["Location", "Retry-After", *headers]
    )
    documented[202]["links"] = JOB_LINKS
    return documented


def no_content(description: str) -> Responses:
    """Return the documentation of a 204 response. Powertools would document a body unless `content` is present."""
    return {204: {"description": description, "headers": _headers(()), "content": {}}}


def not_modified(description: str, headers: Sequence[str]) -> Responses:
    """Return the documentation of a 304 response, which has no body."""
    return {304: {"description": description, "headers": _headers(headers), "content": {}}}


def rate_limited(responses: Responses) -> Responses:
    """Return the documentation of the same responses on a route whose requests count."""
    limits = _refs("headers", ["RateLimit", "RateLimit-Policy"])
    return {status: each | {"headers": each["headers"] | limits} for status, each in responses.items()}


def problems(*codes: str, headers: Sequence[str] = ()) -> Responses:
    """Return the documentation of the error responses with these codes, one response for each of their statuses."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(ERRORS[code].status, []).append(code)
    return {status: _problem(status, listed, headers) for status, listed in sorted(by_status.items())}


def _problem(status: int, codes: Sequence[str], headers: Sequence[str]) -> dict[str, Any]:
    own = dict.fromkeys(header for code in codes for header in ERRORS[code].headers if header in HEADERS)
    content = {"schema": _ref("schemas", Problem.__name__), "examples": _refs("examples", codes)}
    return {
        "description": f"{reason_phrase(status)}: {', '.join(f'`{code}`' for code in codes)}.",
        "headers": _headers([*own, *headers]),
        "content": {MEDIA_TYPE: content},
    }


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return _refs("headers", ["x-request-id", *names])


def _refs(section: str, names: Sequence[str]) -> dict[str, Any]:
    return {name: _ref(section, name) for name in names}


def _ref(section: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}
