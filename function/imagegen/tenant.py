"""Whose request it is."""

from __future__ import annotations

import hashlib
from typing import Final

LOCAL: Final = "local"
"""The tenant of a direct invocation: whoever may invoke the function itself."""


def of_api_key(api_key: str) -> str:
    """A name for the key's holder that cannot be turned back into the key."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:16]
