from __future__ import annotations

import hashlib
import re

import pytest

from imagegen.access import api_key
from imagegen.errors import InvalidCredentials

KEY = "imagegen_0123456789abcdefghijABCDEFGHIJ01234567894D1hvA"
OF_API_GATEWAY = "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8i9J0"


def test_a_key_is_recognizable_and_random() -> None:
    made = {api_key.new() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"imagegen_[0-9A-Za-z]{46}", each) for each in made)
    assert all(len(api_key.digest(each)) == 64 for each in made)


@pytest.mark.parametrize("position", [9, 30, 48, 49, 54])
def test_a_mistyped_key_is_refused_by_its_checksum(position: int) -> None:
    wrong = "A" if KEY[position] != "A" else "B"
    with pytest.raises(InvalidCredentials):
        api_key.digest(KEY[:position] + wrong + KEY[position + 1 :])


@pytest.mark.parametrize(
    "text", ["", "short", KEY[:-1], f"{KEY}x", f" {KEY}", f"{KEY}\n", "x" * 129, "ключ" * 10, "a key with spaces in it"]
)
def test_what_cannot_be_a_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidCredentials) as caught:
        api_key.digest(text)
    assert caught.value.private == "malformed_key"
    assert not text or text not in caught.value.detail


def test_a_key_of_api_gateway_stays_valid() -> None:
    assert len(api_key.digest(OF_API_GATEWAY)) == 64


@pytest.mark.parametrize("key", [KEY, OF_API_GATEWAY])
def test_the_digest_is_neither_the_key_nor_the_hash_that_names_tenants(key: str) -> None:
    digest = api_key.digest(key)
    assert digest == api_key.digest(key)
    assert key not in digest
    assert digest != hashlib.sha256(key.encode()).hexdigest()
