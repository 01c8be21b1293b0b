"""POST /verify."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from imagegen import telemetry
from imagegen.api import scope
from imagegen.api.openapi.problems import KEYED
from imagegen.api.openapi.responses import problems, success
from imagegen.api.problem import JSON
from imagegen.api.provenance_resources import ProvenanceCheck
from imagegen.api.query import query_parameters
from imagegen.api.router import Router
from imagegen.errors import PictureError

FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The file to check, as a form.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "Any PNG, JPEG or WebP file, also of other generators.",
                        }
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}

router = Router({"/verify": {"POST": "images:read"}})


@router.post(
    "/verify",
    operation_id="verifyImage",
    tags=["Images"],
    summary="Check where a picture comes from",
    description=(
        "Reads the content credentials (C2PA) in a file: whether they hold, who signed them, which model made the "
        "picture and when. The file is not stored."
    ),
    responses=success(200, "The verdict.", ProvenanceCheck, ["provenance"])
    | problems(
        *KEYED,
        *("malformed_form", "payload_too_large", "unsupported_media_type", "missing_field", "out_of_range"),
        *("image_invalid", "image_format_unsupported", "provenance_unavailable"),
    ),
    openapi_extensions=FORM,
)
def verify():  # type: ignore[no-untyped-def]
    """Return the verdict on the form's file."""
    from imagegen.api.form_file import FIELD, form_file  # only the container's functions have the parser

    query_parameters(router.current_event)
    container = scope.current().container
    scope.current().check_key()
    file = form_file(router.current_event)
    try:
        report = container.verifier.check(file)
    except PictureError as error:
        raise error.in_field(FIELD) from None
    telemetry.verified(report.state)
    return Response(200, JSON, ProvenanceCheck.of(report, datetime.now(UTC)).model_dump_json())
