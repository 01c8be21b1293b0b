"""Request and response schemas of POST /uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import Field

from imagegen.generation.request import StrictRequest
from imagegen.generation.result import ResponseModel
from imagegen.pictures.inspection import MAX_BYTES
from imagegen.pictures.uploads import KEPT, ContentType, UploadForm


class UploadRequest(StrictRequest):
    """The body of POST /uploads."""

    content_type: ContentType = Field(description="The file's media type. The form's Content-Type must be the same.")


class UploadInfo(ResponseModel):
    """Where to send a file: a `multipart/form-data` POST to `url` with all `fields`, and then the file as `file`."""

    id: str = Field(description="Names the file in later requests of your tenant.")
    url: str = Field(description="Address of the bucket.", json_schema_extra={"format": "uri"})
    fields: dict[str, str] = Field(description="The form's fields. Anyone who has them can send the file.")
    max_bytes: int = Field(description="The longest file that the form accepts.")
    expires_at: datetime = Field(description="When the form expires.")
    usable_until: datetime = Field(description="How long the file can be used, at least. It is then deleted.")

    @classmethod
    def of(cls, form: UploadForm, now: datetime) -> Self:
        """Return the form as its caller sees it."""
        return cls(
            id=form.upload_id,
            url=form.url,
            fields=dict(form.fields),
            max_bytes=MAX_BYTES,
            expires_at=form.expires_at,
            usable_until=now.replace(microsecond=0) + KEPT,
        )
