from __future__ import annotations

import pytest

from imagegen.access import tenant


@pytest.mark.parametrize("valid", ["a", "alice", "org_AbC-1", "0123456789abcdef", "x" * 64])
def test_a_tenant_id_is_made_of_what_keys_and_parameter_names_may_contain(valid: str) -> None:
    assert tenant.is_valid(valid)


@pytest.mark.parametrize(
    "invalid", [None, 7, "", "local", "LOCAL", "a#b", "a/b", "../a", "a b", "a\n", "-a", "_a", "é", "x" * 65, "a.b"]
)
def test_an_id_that_would_escape_its_place_is_invalid(invalid: object) -> None:
    assert not tenant.is_valid(invalid)


def test_ids_are_random_and_of_the_form_of_earlier_ones() -> None:
    made = {tenant.new() for _ in range(100)}
    assert len(made) == 100
    assert all(len(each) == len(tenant.of_api_key("key")) == 16 and tenant.is_valid(each) for each in made)
