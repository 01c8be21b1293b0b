"""GET /openapi.json and GET /docs."""

from __future__ import annotations

from typing import Any, Final, cast

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.openapi.models import APIKey, APIKeyIn, Server

from imagegen.api.problem import JSON
from imagegen.api.router import base_path, build_router

DOCUMENT: Final[dict[str, Any]] = {
    "title": "Stable Diffusion on Lambda",
    "version": "1",
    "security_schemes": {"ApiKey": APIKey(name="x-api-key", in_=APIKeyIn.header)},
    "security": [{"ApiKey": []}],
}
"""The version is that of the HTTP contract, not of the software."""

router = build_router({"/openapi.json": ["GET"], "/docs": ["GET"]})


def add_docs_page(app: APIGatewayRestResolver) -> None:
    """Serve Swagger UI at /docs."""
    app.enable_swagger(path="/docs", **DOCUMENT)


def openapi_document(app: APIGatewayRestResolver, base_url: str = "/") -> str:
    """Return the OpenAPI document of the app's routes as JSON."""
    return app.get_openapi_json_schema(**DOCUMENT, servers=[Server(url=base_url)])


@router.get("/openapi.json", include_in_schema=False)
def openapi():  # type: ignore[no-untyped-def]
    """Return the OpenAPI document, with the stage or base path as its server."""
    app = cast(APIGatewayRestResolver, router.api_resolver)
    document = openapi_document(app, base_path(router.current_event) or "/")
    return Response(200, JSON, document)
