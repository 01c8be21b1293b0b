"""The Idempotency-Key header: which keys are valid, and whether two requests are the same. Pure.

Covered: the same key of the same tenant within KEPT_S, on the same or on different routes. Not covered: two keys with
the same body, which are two requests (identical images are still generated once, by the lease on their cache key).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from imagegen.errors import IdempotencyKeyInvalid
from imagegen.generation.request import GenerateRequest
from imagegen.generation.spec import GenerationSpec

KEPT_S: Final = 24 * 3600
"""Seconds that a key is kept."""

_VALID: Final = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True)
class IdempotencyFingerprint:
    """SHA-256, in hex, of a key and of the route and request that came with it; none of them can be recovered."""

    key: str
    body: str
    """Of the JSON as sent. It stays the same if a deployment changes a default between two attempts."""
    request: str
    """Of the request with every default filled in, so that a default that is spelled out changes nothing."""

    @classmethod
    def of(
        cls, key: str | None, route: str, body: Mapping[str, Any], request: GenerateRequest, spec: GenerationSpec
    ) -> IdempotencyFingerprint | None:
        """Return the fingerprint, or None without a key. `spec` is the plan of `request`, which was read from `body`.

        Raises IdempotencyKeyInvalid.
        """
        if key is None:
            return None
        check_key(key)
        return cls(_sha256(key), _digest(route, body), _digest(route, _resolved(request, spec)))

    def matches(self, body: str, request: str | None) -> bool:
        """Return whether a stored fingerprint is of the same request; version 0.1.0 stored only `body`."""
        return self.body == body or self.request == request


def check_key(key: str | None) -> None:
    """Raise IdempotencyKeyInvalid unless the key is valid or absent."""
    if key is not None and not _VALID.fullmatch(key):
        raise IdempotencyKeyInvalid


def _resolved(request: GenerateRequest, spec: GenerationSpec) -> dict[str, Any]:
    """Return the request with the model's defaults. A drawn seed is left out: the next attempt draws another.

    Pictures are compared by their files: the next attempt may have uploaded them again.
    """
    edit = spec.edit.key() if spec.edit else {}
    defaults = asdict(spec) | edit | {"model": spec.model_id, "seed": None}
    fields = request.model_dump(mode="json")
    fields["output_quality"] = spec.output_quality  # png has none, whatever was sent
    if spec.edit is not None:
        fields |= {"image": edit["image"], "mask_image": edit["mask"]}
    if request.webhook is not None:
        fields["webhook"]["events"] = sorted(set(request.webhook.events))
    return {name: defaults.get(name) if value is None else value for name, value in fields.items()}


def _digest(route: str, document: Mapping[str, Any]) -> str:
    return _sha256(json.dumps([route, _normalized(document)], sort_keys=True, separators=(",", ":")))


def _normalized(value: Any) -> Any:
    """Convert whole floats to integers, so that 1.0 equals 1 and -0.0 equals 0, as in canonical JSON (RFC 8785)."""
    if isinstance(value, Mapping):
        return {name: _normalized(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_normalized(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
