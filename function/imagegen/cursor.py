"""Where a list goes on: a job's id and a checksum that ties it to the caller. Pure.

Not covered: secrecy. Whoever forges one sees another part of his own list, for the tenant never comes from it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from ulid import ULID

from imagegen.errors import InvalidCursor


def encode(tenant: str, job_id: str) -> str:
    return base64.urlsafe_b64encode(ULID.from_str(job_id).bytes + _checksum(tenant, job_id)).decode()


def decode(tenant: str, cursor: str) -> str:
    """The job's id. Raises InvalidCursor."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        job_id = str(ULID(raw[:16]))
    except (ValueError, binascii.Error):
        raise _invalid() from None
    if encode(tenant, job_id) != cursor:
        raise _invalid()
    return job_id


def _checksum(tenant: str, job_id: str) -> bytes:
    return hashlib.sha256(f"{tenant}/{job_id}".encode()).digest()[:8]


def _invalid() -> InvalidCursor:
    return InvalidCursor("cursor must be one that the same list gave.")
