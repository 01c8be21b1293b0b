"""The tenant that owns a request's jobs, images and secrets."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

LOCAL: Final = "local"
"""Tenant of direct invocations, by any principal with permission to invoke the function, and of `sam local`."""
FORM: Final = "1 to 64 ASCII letters, digits, hyphens and underscores, the first a letter or digit, and not `local`"
"""What a tenant id is. It is part of item keys, whose parts # separates, of object names and of parameter names."""

_VALID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def of_api_key(api_key: str) -> str:
    """Return the tenant that a key of an earlier version has: the first 16 hex digits of its SHA-256.

    Raises ValueError for an empty key.
    """
    if not api_key:
        raise ValueError("an API key is not empty")
    return hashlib.sha256(api_key.encode()).hexdigest()[:16]


def new() -> str:
    """Return a random tenant id of 16 hex digits, the form of those that `of_api_key` returns."""
    return secrets.token_hex(8)


def is_valid(tenant: object) -> bool:
    """Return whether a caller may have this tenant: a string of the form FORM."""
    return isinstance(tenant, str) and bool(_VALID.fullmatch(tenant)) and tenant.lower() != LOCAL
