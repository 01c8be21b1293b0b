"""The tenant that owns a request's jobs, images and secrets."""

from __future__ import annotations

import hashlib
from typing import Final

LOCAL: Final = "local"
"""Tenant of direct invocations: any principal with permission to invoke the function."""


def of_api_key(api_key: str) -> str:
    """Return the key's tenant: the first 16 hex digits of its SHA-256, from which the key cannot be recovered."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:16]
