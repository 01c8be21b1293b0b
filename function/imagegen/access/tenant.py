"""The tenant that owns a request's jobs, images and secrets."""

from __future__ import annotations

import hashlib
from typing import Final

from imagegen.errors import InvalidApiKey

LOCAL: Final = "local"
"""Tenant of direct invocations, by any principal with permission to invoke the function, and of `sam local`."""


def of_api_key(api_key: str | None) -> str:
    """Return the key's tenant: the first 16 hex digits of its SHA-256, from which the key cannot be recovered.

    Raises InvalidApiKey without a key: all callers without one would share a tenant.
    """
    if not api_key:
        raise InvalidApiKey
    return hashlib.sha256(api_key.encode()).hexdigest()[:16]
