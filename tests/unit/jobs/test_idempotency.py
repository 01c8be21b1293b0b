from __future__ import annotations

import pytest

from imagegen.errors import IdempotencyKeyInvalid
from imagegen.jobs.idempotency import IdempotencyFingerprint


def test_a_fingerprint_contains_neither_key_nor_body() -> None:
    keyed = IdempotencyFingerprint.of("canary", "/jobs", {"prompt": "canary"})
    assert "canary" not in str(keyed)


def test_a_fingerprint_depends_on_the_route() -> None:
    keyed = IdempotencyFingerprint.of("canary", "/jobs", {"prompt": "canary"})
    assert keyed != IdempotencyFingerprint.of("canary", "/generate", {"prompt": "canary"})


def test_a_request_without_a_key_has_no_fingerprint() -> None:
    assert IdempotencyFingerprint.of(None, "/jobs", {}) is None


def test_an_empty_key_is_invalid() -> None:
    with pytest.raises(IdempotencyKeyInvalid):
        IdempotencyFingerprint.of("", "/jobs", {})


def test_equal_numbers_in_canonical_json_have_the_same_fingerprint() -> None:
    def of(number: float) -> IdempotencyFingerprint | None:
        return IdempotencyFingerprint.of("key", "/jobs", {"a": number, "b": {"c": [number, True, "1.0", None]}})

    assert of(1) == of(1.0) != of(1.5)
    assert of(0) == of(-0.0) != of(1)
    assert of(10**20) == of(1e20)
