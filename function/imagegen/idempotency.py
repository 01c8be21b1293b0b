"""The Idempotency-Key: which keys are legal, and whether two requests are the same. Pure.

Covered: the same key of the same caller within KEPT_S, on the same or on different routes. Not covered: two keys for
one body, which are two requests (identical pictures are still drawn once, by the lease on their cache key).
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
_LEGAL: Final = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True)
class KeyedBody:
    """SHA-256 of a key and of the whole body that came with it, in hex; neither can be read from it."""

    key: str
    body: str

    @classmethod
    def of(cls, key: str | None, route: str, body: Mapping[str, Any]) -> KeyedBody | None:
        """None without a key. Raises IdempotencyKeyInvalid."""
        if key is None:
            return None
        check_key(key)
        canonical = json.dumps([route, _whole(body)], sort_keys=True, separators=(",", ":"))
        return cls(_sha256(key), _sha256(canonical))


def check_key(key: str | None) -> None:
    """Raise IdempotencyKeyInvalid unless it is legal or absent."""
    if key is not None and not _LEGAL.fullmatch(key):
        raise IdempotencyKeyInvalid("Idempotency-Key must have 1 to 255 printable ASCII characters.")


def _whole(value: Any) -> Any:
    """Whole floats as integers, so that 1.0 is 1 and -0.0 is 0, as in canonical JSON (RFC 8785)."""
    if isinstance(value, Mapping):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
