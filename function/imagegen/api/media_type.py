"""The media type of request bodies: JSON in UTF-8 or a form, not compressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.message import Message
from typing import Final

from imagegen.api.problem import JSON
from imagegen.errors import MalformedForm, UnsupportedMediaType
from imagegen.problem_details import FieldError

_CHARSETS: Final = frozenset({"utf-8", "utf8"})
"""utf8 is a common alias (WHATWG Encoding Standard, 4.2)."""


FORM: Final = "multipart/form-data"


def form_boundary(lines: Mapping[str, Sequence[str]]) -> str:
    """Return the boundary of a form's parts. Raises UnsupportedMediaType, or MalformedForm if there is none."""
    _require_plain(lines)
    media = _media(lines)
    if media.get_content_type() != FORM:
        raise UnsupportedMediaType(f"Content-Type must be {FORM}, with the boundary of the parts.")
    boundary = media.get_boundary("")
    if not boundary or not boundary.isascii():
        raise MalformedForm("Content-Type must name the boundary of the parts: multipart/form-data; boundary=...")
    return boundary


def media_type_error(lines: Mapping[str, Sequence[str]]) -> UnsupportedMediaType | None:
    """Return what is wrong with Content-Type or Content-Encoding; None if the body is plain UTF-8 JSON."""
    try:
        _require_plain(lines)
    except UnsupportedMediaType as error:
        return error
    media = _media(lines)
    if media.get_content_type() != JSON:
        return UnsupportedMediaType(f"Content-Type must be {JSON}.")
    charsets = {str(value).lower() for name, value in media.get_params([]) if name.lower() == "charset"}
    if not charsets <= _CHARSETS:
        return UnsupportedMediaType("The charset of Content-Type must be utf-8.")
    return None


def _require_plain(lines: Mapping[str, Sequence[str]]) -> None:
    if ",".join(lines.get("content-encoding", [])).strip().lower() not in ("", "identity"):
        detail = "The body must not be compressed. Leave out Content-Encoding."
        raise UnsupportedMediaType(
            detail, errors=[FieldError("Content-Encoding", UnsupportedMediaType.code, "must be absent or identity")]
        )


def _media(lines: Mapping[str, Sequence[str]]) -> Message:
    media = Message()
    media["Content-Type"] = ", ".join(lines.get("content-type", []))
    return media
