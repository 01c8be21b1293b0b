"""Pagination cursors: a place in a list, with a checksum that binds it to the list. Pure.

The place is a job id in a tenant's jobs, or a tenant and model in a month's report. Not covered: secrecy. A forged
cursor only shows another part of a list that the caller may see, because the list never comes from it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from ulid import ULID

from imagegen.errors import InvalidCursor

_CHECKSUM_BYTES: Final = 8


def encode(tenant: str, job_id: str) -> str:
    """Return the cursor of the page after the job."""
    return base64.urlsafe_b64encode(ULID.from_str(job_id).bytes + _checksum(tenant, job_id)).decode()


def decode(tenant: str, cursor: str) -> str:
    """Return the job id. Raises InvalidCursor."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        job_id = str(ULID(raw[:16]))
    except (ValueError, binascii.Error):
        raise InvalidCursor from None
    if encode(tenant, job_id) != cursor:
        raise InvalidCursor
    return job_id


def encode_row(month: str, row: tuple[str, str]) -> str:
    """Return the cursor of the page after the row of a tenant and model."""
    place = "/".join(row)
    return base64.urlsafe_b64encode(place.encode() + _checksum(month, place)).decode()


def decode_row(month: str, cursor: str) -> tuple[str, str]:
    """Return the tenant and the model. Raises InvalidCursor."""
    try:
        place = base64.b64decode(cursor, altchars=b"-_", validate=True)[:-_CHECKSUM_BYTES].decode()
    except (ValueError, binascii.Error):
        raise InvalidCursor from None
    tenant, slash, model = place.partition("/")
    if not slash or encode_row(month, (tenant, model)) != cursor:
        raise InvalidCursor
    return tenant, model


def _checksum(of: str, place: str) -> bytes:
    return hashlib.sha256(f"{of}/{place}".encode()).digest()[:_CHECKSUM_BYTES]
