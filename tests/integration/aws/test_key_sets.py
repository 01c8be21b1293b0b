"""The keys of issuers in the template's table; the fake of the unit tests passes the same cases."""

from __future__ import annotations

import pytest

from imagegen.access.key_sets import USABLE_S
from imagegen.access.ports import SharedKeySets
from imagegen.aws.key_sets import DynamoKeySets
from tests.support.issuer import START_S, MemoryKeySets, ec_jwk, rsa_jwk
from tests.support.job_world import JobWorld

ISSUER = "https://issuer.example.com/tenant#1"


@pytest.mark.parametrize("kind", ["table", "fake"])
def test_the_last_keys_of_each_issuer_are_kept_as_they_were(world: JobWorld, kind: str) -> None:
    store: SharedKeySets = MemoryKeySets()
    if kind == "table":
        store = DynamoKeySets(world.resources["Table"], world.clock)
    first, second = {"keys": [rsa_jwk(0, "a"), ec_jwk("b")]}, {"keys": [rsa_jwk(1, "c")], "more": "\u00e9"}
    assert store.get(ISSUER) is None
    store.put(ISSUER, first, START_S)
    assert store.get(ISSUER) == (first, START_S)
    store.put(ISSUER, second, START_S + 300)
    assert store.get(ISSUER) == (second, START_S + 300)
    assert store.get("https://other.example.com") is None


def test_the_row_ends_when_the_keys_are_no_longer_used(world: JobWorld) -> None:
    DynamoKeySets(world.resources["Table"], world.clock).put(ISSUER, {"keys": []}, START_S)
    (row,) = world.items("ISSUER#")
    assert row["expires_at"] == START_S + USABLE_S
    assert row["pk"].count("#") == 1
