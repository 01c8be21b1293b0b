"""POST /uploads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from imagegen.api import scope
from imagegen.api.openapi.problems import JSON_BODY, KEYED
from imagegen.api.openapi.responses import problems, success
from imagegen.api.problem import JSON
from imagegen.api.query import query_parameters
from imagegen.api.router import Router
from imagegen.api.upload_resources import UploadInfo, UploadRequest

_EXAMPLES: Final[Any] = {"photo": {"summary": "A photo", "value": {"content_type": "image/jpeg"}}}
NewUploadBody = Annotated[UploadRequest, Body(description="What you will upload.", openapi_examples=_EXAMPLES)]

router = Router({"/uploads": {"POST": "images:write"}})


@router.post(
    "/uploads",
    operation_id="createUpload",
    tags=["Images"],
    summary="Upload a picture",
    description=(
        "201 with a form for one file, which you send to the bucket and not to this API. Its `id` stands for the "
        "picture in later requests."
    ),
    responses=success(201, "The form.", UploadInfo, ["upload"])
    | problems(*KEYED, *JSON_BODY, "missing_field", "wrong_type", "out_of_range"),
)
def create_upload(body: NewUploadBody):  # type: ignore[no-untyped-def]
    """Return a form for a new upload; nothing is stored until the caller sends it."""
    query_parameters(router.current_event)
    container, tenant = scope.current().container, scope.current().caller.tenant
    form = container.uploads.form(tenant, body.content_type)
    return Response(201, JSON, UploadInfo.of(form, datetime.now(UTC)).model_dump_json())
