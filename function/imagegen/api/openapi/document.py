"""Builds the OpenAPI document: the routes as Powertools describes them, and what it cannot express."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn, Contact, HTTPBearer, License, Tag

from imagegen.api.openapi.examples import examples
from imagegen.api.openapi.responses import HEADERS
from imagegen.api.openapi.schemas import schemas
from imagegen.api.openapi.webhooks import webhooks
from imagegen.api.problem import JSON
from imagegen.api.resources import ModelList

Document = dict[str, Any]

DESCRIPTION: Final = """\
Generates images from text. `POST /generate` responds with images; `POST /jobs` with a job, which you poll, or hear of \
by webhook.

Send your credential in one header: an API key or a token as `Authorization: Bearer`, or an API key as `x-api-key`. \
Errors are problem details (RFC 9457); distinguish them by `code`. \
Responses may get new members: ignore those that you do not know. The documented members are always present, and null \
if there is no value.

Each path also has `OPTIONS`, for CORS preflights, and each `GET` has `HEAD`; the document leaves them out, because \
clients need no methods for them. Any other method is 405 `method_not_allowed`, any other path is 404 \
`route_not_found`."""
_TAGS: Final = {
    "Images": "Generate images now.",
    "Jobs": "Generate images later: submit, poll, list, cancel and delete jobs.",
    "Models": "What this deployment can generate with.",
    "Access": "Who you are; for operators, API keys of tenants.",
    "Service": "Whether the service runs.",
    "Webhooks": "What the service sends to your receiver when a job is final (Standard Webhooks 1.0).",
}
_INFO: Final[dict[str, Any]] = {
    "title": "Stable Diffusion on Lambda",
    "version": "1",
    "description": DESCRIPTION,
    "contact": Contact(name="The owner of this deployment"),
    "license_info": License(name="Apache-2.0", identifier="Apache-2.0"),
    "tags": [Tag(name=name, description=description) for name, description in _TAGS.items()],
    "security_schemes": {
        "ApiKey": APIKey(name="x-api-key", in_=APIKeyIn.header, description="An API key of your tenant."),
        "Bearer": HTTPBearer(
            bearerFormat="API key or JWT",
            description="An API key of your tenant, or a token of an issuer that the deployment trusts.",
        ),
    },
}
"""The version is that of the HTTP contract, not of the software."""


def build(app: APIGatewayRestResolver, models: ModelList) -> Document:
    """Return the document of the app's routes for a deployment with these models, without `servers`."""
    document: Document = json.loads(app.get_openapi_json_schema(**_INFO))
    del document["servers"]
    for operation in _operations(document):
        _correct(operation)
    document["components"] |= {"schemas": schemas(models.models), "headers": HEADERS, "examples": examples(models)}
    return document | {"webhooks": webhooks()}


def _operations(document: Document) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _correct(operation: dict[str, Any]) -> None:
    """Add what Powertools loses, an empty `security` and an empty body, and remove its own 422, which is never sent."""
    operation.setdefault("security", [])
    responses = operation["responses"]
    if JSON in responses.get("422", {}).get("content", {}):
        del responses["422"]
    for response in responses.values():
        if response.get("content") == {}:
            del response["content"]
