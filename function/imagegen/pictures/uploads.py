"""Uploads: pictures that a caller sends to the bucket, for later requests of its tenant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from ulid import ULID

ContentType = Literal["image/png", "image/jpeg", "image/webp"]
KEPT: Final = timedelta(days=1)
"""How long an upload can be used. The bucket's lifecycle deletes it at the midnight (UTC) after that."""
FORM_EXPIRES: Final = timedelta(minutes=15)
"""How long S3 accepts an upload: 10 MB at 0.1 Mbit/s."""
_ID: Final = re.compile(r"upload_[0-7][0-9A-HJKMNP-TV-Z]{25}")


@dataclass(frozen=True)
class UploadForm:
    """A form that S3 accepts until `expires_at` (UTC): a POST to `url` with these fields, and the file last."""

    upload_id: str
    url: str
    fields: Mapping[str, str]
    expires_at: datetime


class Uploads(Protocol):
    """Uploads of tenants. Every call raises StorageUnavailable if the store does not respond."""

    def form(self, tenant: str, content_type: ContentType) -> UploadForm:
        """Return a form for one new upload of the tenant."""

    def fetch(self, tenant: str, upload_id: str) -> bytes:
        """Return the tenant's upload. Raises UploadNotFound, or ImageTooLarge; both have the field `image`.

        The store checks type and size only when it accepts a form, and not every emulator does: `decode` checks again.
        """


def new_id() -> str:
    """Return an id that no one can guess."""
    return f"upload_{ULID()}"


def is_id(text: str) -> bool:
    """Return whether the text has the form of an upload's id. No picture's base64 is that short."""
    return _ID.fullmatch(text) is not None


def object_key(tenant: str, upload_id: str) -> str:
    """Return the key of the upload's object."""
    return f"uploads/{tenant}/{upload_id}"
