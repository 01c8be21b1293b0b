"""GET /openapi.json and GET /docs."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from imagegen.api import scope
from imagegen.api.problem import JSON
from imagegen.api.router import OPEN, Router, base_path
from imagegen.api.routes.models import models_of

if TYPE_CHECKING:
    from imagegen.wiring import Container

router = Router({"/openapi.json": {"GET": OPEN}, "/docs": {"GET": OPEN}})


@lru_cache(maxsize=8)
def openapi_document(app: APIGatewayRestResolver, container: Container, base_url: str = "/") -> str:
    """Return the OpenAPI document of the app's routes for this deployment as JSON. Built once per process and URL.

    Its limits are those of the models in the image, which do not change while the process lives.

    A URL is that of a stage or of a custom domain's base path, so there are few.
    """
    from imagegen.api.openapi import document

    servers = [{"url": base_url, "description": "This deployment."}]
    models = models_of(container, container.image_models.on_offer())
    return json.dumps(document.build(app, models) | {"servers": servers}, ensure_ascii=False)


@router.get("/openapi.json", include_in_schema=False)
def openapi():  # type: ignore[no-untyped-def]
    """Return the OpenAPI document, with the stage or base path as its server."""
    app = cast(APIGatewayRestResolver, router.api_resolver)
    document = openapi_document(app, scope.current().container, base_path(router.current_event) or "/")
    return Response(200, JSON, document)


@router.get("/docs", include_in_schema=False)
def docs():  # type: ignore[no-untyped-def]
    """Return the interactive page of the document."""
    from imagegen.api.openapi import page

    return Response(
        200, page.MEDIA_TYPE, page.html(), headers={"Content-Security-Policy": page.policy(), **page.HEADERS}
    )
