from __future__ import annotations

import pytest

from imagegen.access.credentials import MAX_TOKEN_LENGTH, Pair, credential
from imagegen.errors import InvalidCredentials

KEY = "imagegen_0123456789abcdefghijABCDEFGHIJ01234567894D1hvA"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"
OLD_KEY = "a1B2c3D4e5F6g7H8i9J0a1B2c3D4e5F6g7H8i9J0"


def found(*headers: Pair, query: tuple[Pair, ...] = ()) -> tuple[str, str]:
    one = credential(headers, query)
    return one.kind, one.value


def reason(*headers: Pair, query: tuple[Pair, ...] = ()) -> str:
    with pytest.raises(InvalidCredentials) as caught:
        credential(headers, query)
    assert caught.value.problem(request_id="r") == InvalidCredentials().problem(request_id="r")
    assert 'Bearer realm="imagegen"' in caught.value.headers["WWW-Authenticate"]
    return caught.value.private


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_works_in_both_headers(key: str, scheme: str) -> None:
    assert found(("X-API-Key", key)) == ("api_key", key)
    assert found(("x-api-key", f" {key}\t"), ("Accept", "*/*")) == ("api_key", key)
    assert found(("AUTHORIZATION", f"{scheme} {key}")) == ("api_key", key)
    assert found(("authorization", f"{scheme}  {key} ")) == ("api_key", key)


@pytest.mark.parametrize("token", [TOKEN, TOKEN.rpartition(".")[0] + "."])
def test_a_token_is_recognized_by_its_form_in_authorization_only(token: str) -> None:
    assert found(("Authorization", f"Bearer {token}")) == ("token", token)
    assert found(("x-api-key", token)) == ("api_key", token)


def test_no_credential() -> None:
    assert reason() == "no_credential"
    assert reason(("Accept", "*/*"), ("Cookie", "token=1")) == "no_credential"


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", f"Bearer {KEY}"), ("x-api-key", KEY)],
        [("Authorization", f"Bearer {TOKEN}"), ("x-api-key", "")],
        [("x-api-key", KEY), ("x-api-key", KEY)],
        [("x-api-key", KEY), ("X-Api-Key", OLD_KEY)],
        [("Authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")],
        [("Authorization", f"Bearer {TOKEN}"), (" authorization ", "Basic eA==")],
    ],
)
def test_several_credentials_are_none(headers: list[Pair]) -> None:
    assert reason(*headers) == "several_credentials"


@pytest.mark.parametrize(
    "value",
    [
        "", "Bearer", "Bearer ", KEY, f"Basic {KEY}", f"ApiKey {KEY}", f"Bearer{KEY}", f"Bearer {KEY} {KEY}",
        f"Bearer {KEY}, Bearer {KEY}", f"Bearer {KEY},{KEY}", f"Bearer\t{KEY}", f'Bearer "{KEY}"', f"Bearer {KEY}\n",
        f"Bearer ключ{KEY}", f"Token {TOKEN}", f"Bearer {TOKEN};",
    ],
)  # fmt: skip
def test_other_schemes_and_forms_are_refused(value: str) -> None:
    assert reason(("Authorization", value)) == "not_bearer"


def test_a_credential_that_is_too_long_is_refused() -> None:
    longest = f"{'a' * 10}.{'b' * (MAX_TOKEN_LENGTH - 20)}.{'c' * 8}"
    assert len(longest) == MAX_TOKEN_LENGTH
    assert found(("Authorization", f"Bearer {longest}")) == ("token", longest)
    assert reason(("Authorization", f"Bearer {longest}d")) == "oversized"
    assert reason(("Authorization", "x" * 1_000_000)) == "oversized"
    assert reason(("Authorization", f"Bearer {'k' * 129}")) == "oversized"
    assert reason(("x-api-key", "k" * 129)) == "oversized"


@pytest.mark.parametrize(
    "parameter",
    [
        ("access_token", TOKEN), ("api_key", KEY), ("apikey", ""), ("API-Key", OLD_KEY), ("x-api-key", "1"),
        ("token", TOKEN), ("Authorization", f"Bearer {KEY}"), ("key", OLD_KEY), ("jwt", TOKEN), ("cursor", KEY),
        ("q", f"x{KEY}"), (KEY, ""), (f"{KEY}x", "1"), ("q", TOKEN), (TOKEN, ""), ("cursor", f"Bearer {TOKEN}"),
    ],
)  # fmt: skip
def test_a_credential_in_the_query_is_refused_with_and_without_a_valid_one(parameter: Pair) -> None:
    assert reason(query=(parameter,)) == "credential_in_query"
    assert reason(("x-api-key", KEY), query=(("limit", "1"), parameter)) == "credential_in_query"


def test_the_query_of_a_list_is_no_credential() -> None:
    assert found(("x-api-key", KEY), query=(("limit", "1"), ("status", "failed"), ("cursor", "eyJhIjoxfQ")))
    assert found(("x-api-key", KEY), query=(("tenant", "imagegen_prod"),))


def test_a_credential_is_not_in_its_repr() -> None:
    assert KEY not in repr(credential([("x-api-key", KEY)], []))
