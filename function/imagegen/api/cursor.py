"""Pagination cursors: a job id with a checksum that binds it to the tenant. Pure.

Not covered: secrecy. A forged cursor only shows another part of the caller's own list, because the tenant
never comes from it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from ulid import ULID

from imagegen.errors import InvalidCursor


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


def _checksum(tenant: str, job_id: str) -> bytes:
    return hashlib.sha256(f"{tenant}/{job_id}".encode()).digest()[:8]
