"""Where the pictures are that callers upload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from imagegen.pictures.uploads import ContentType


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
