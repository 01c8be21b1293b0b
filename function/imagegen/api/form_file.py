"""The file in a multipart/form-data body (RFC 7578). Imports a parser that the zip functions lack."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from multipart import MultipartError, MultipartParser, MultipartPart

from imagegen.api.body_size import MAX_BODY_BYTES
from imagegen.api.media_type import form_boundary
from imagegen.api.raw_body import raw_body
from imagegen.errors import InvalidRequest, MalformedForm, PayloadTooLarge
from imagegen.problem_details import MAX_FIELD, FieldError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

FIELD: Final = "file"
_MAX_PARTS: Final = 16


def form_file(event: APIGatewayProxyEvent) -> bytes:
    """Return the content of the field `file`, the only one.

    Raises UnsupportedMediaType, PayloadTooLarge, MalformedForm or InvalidRequest.
    """
    boundary = form_boundary(event["multiValueHeaders"])
    body = raw_body(event)
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"The body has {len(body)} bytes and must have at most {MAX_BODY_BYTES} (4.5 MB).")
    parts = _parts(body, boundary)
    _check_names([part.name for part in parts])
    return bytes(parts[0].raw)


def _parts(body: bytes, boundary: str) -> list[MultipartPart]:
    limits = {"part_limit": _MAX_PARTS, "spool_limit": MAX_BODY_BYTES, "memory_limit": MAX_BODY_BYTES}
    try:
        return list(MultipartParser(io.BytesIO(body), boundary, len(body), strict=True, **limits))
    except MultipartError as error:
        raise MalformedForm(private=type(error).__name__) from error


def _check_names(names: list[str]) -> None:
    unknown = next((name for name in names if name != FIELD), None)
    if unknown is not None:
        raise InvalidRequest(
            [FieldError(unknown[:MAX_FIELD], "unknown_field", f"is no field; the only one is {FIELD}")]
        )
    if not names:
        raise InvalidRequest([FieldError(FIELD, "missing_field", "is required: a PNG, JPEG or WebP file")])
    if len(names) > 1:
        raise InvalidRequest([FieldError(FIELD, "out_of_range", "must be one file")])
