"""The Idempotency-Key header: which keys are valid, and whether two requests are the same. Pure.

Covered: the same key of the same tenant within KEPT_S, on the same or on different routes. Not covered: two keys with
the same body, which are two requests (identical images are still generated once, by the lease on their cache key).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from imagegen.errors import IdempotencyKeyInvalid

KEPT_S: Final = 24 * 3600
"""Seconds that a key is kept."""

_VALID: Final = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True)
class IdempotencyFingerprint:
    """SHA-256, in hex, of a key and of the route and body that came with it; neither can be recovered."""

    key: str
    body: str

    @classmethod
    def of(cls, key: str | None, route: str, body: Mapping[str, Any]) -> IdempotencyFingerprint | None:
        """Return the fingerprint, or None without a key. Raises IdempotencyKeyInvalid."""
        if key is None:
            return None
        check_key(key)
        canonical = json.dumps([route, _normalized(body)], sort_keys=True, separators=(",", ":"))
        return cls(_sha256(key), _sha256(canonical))


def check_key(key: str | None) -> None:
    """Raise IdempotencyKeyInvalid unless the key is valid or absent."""
    if key is not None and not _VALID.fullmatch(key):
        raise IdempotencyKeyInvalid("Idempotency-Key must have 1 to 255 printable ASCII characters.")


def _normalized(value: Any) -> Any:
    """Convert whole floats to integers, so that 1.0 equals 1 and -0.0 equals 0, as in canonical JSON (RFC 8785)."""
    if isinstance(value, Mapping):
        return {name: _normalized(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_normalized(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
