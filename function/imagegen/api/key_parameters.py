"""Parameters and bodies of the routes under /keys, for the OpenAPI document, as in parameters.py."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from pydantic import WithJsonSchema

from imagegen.api.key_resources import TENANT_SCHEMA, KeyRequest, RotationRequest

_KEY_EXAMPLES: Final[Any] = {
    "named": {"summary": "A key of your tenant", "value": {"name": "website"}},
    "read_only": {
        "summary": "A key of another tenant that cannot generate",
        "value": {"tenant": "acme", "name": "gallery", "scopes": ["images:read"]},
    },
}
_ROTATION_EXAMPLES: Final[Any] = {
    "default": {"summary": "Both keys are valid for a day", "value": {}},
    "leaked": {"summary": "The old key ends at once", "value": {"overlap_seconds": 0}},
}

KeyId = Annotated[str, Path(description="The `id` of a key, from the response of `createKey` or `listKeys`.")]
TenantParameter = Annotated[
    Any,
    Query(alias="tenant", description="The tenant of the keys. Default: your own."),
    WithJsonSchema({"type": "string", **TENANT_SCHEMA}),
]
NewKeyBody = Annotated[
    KeyRequest, Body(description="What the key is for. No field is required.", openapi_examples=_KEY_EXAMPLES)
]
RotationBody = Annotated[
    RotationRequest, Body(description="No field is required: `{}` is valid.", openapi_examples=_ROTATION_EXAMPLES)
]
