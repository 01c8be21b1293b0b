"""Tokens of a real local issuer, good and bad. Fetches are counted, time is set, nothing sleeps."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imagegen.access.issuer_http import HttpsKeySets
from imagegen.access.key_sets import PAUSE_S, USABLE_S
from imagegen.access.ports import KeySet
from imagegen.access.token import LEEWAY_S, TokenVerifier
from imagegen.errors import AuthUnavailable, InvalidCredentials
from tests.support.issuer import (
    AUDIENCE,
    PATIENT_S,
    START_S,
    LocalIssuer,
    MemoryKeySets,
    clock,
    ec_jwk,
    ec_key,
    hand_made,
    local_issuer,
    public_pem,
    rsa_jwk,
    rsa_key,
)


@pytest.fixture(scope="module")
def running() -> Iterator[LocalIssuer]:
    with local_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: LocalIssuer) -> Iterator[LocalIssuer]:
    """The issuer without faults, with its first keys, and with nothing counted."""
    running.keys, running.fault = [rsa_jwk(0, "rsa-0"), ec_jwk("ec-0")], None
    running.requests.clear()
    yield running
    running.fault = None


class World:
    """A verifier for the issuer, and its clock."""

    def __init__(self, issuer: LocalIssuer, **trust: Any):
        self.issuer = issuer
        self.clock = clock()
        source = HttpsKeySets(issuer.tls, PATIENT_S)
        self.verifier = TokenVerifier([issuer.trusted(**trust)], source, MemoryKeySets(), self.clock)

    def reason(self, token: str) -> str:
        """Return why the token is refused, or "" if it is not. Checks that every refusal looks the same."""
        try:
            self.verifier.verify(token)
        except InvalidCredentials as error:
            assert error.problem(request_id="r") == InvalidCredentials().problem(request_id="r")
            assert error.headers == InvalidCredentials().headers
            assert error.__cause__ is None
            return error.private
        return ""


@pytest.fixture
def world(issuer: LocalIssuer) -> World:
    return World(issuer)


def test_a_valid_token_names_its_caller(world: World) -> None:
    caller = world.verifier.verify(world.issuer.token())
    assert caller.tenant.startswith("sub-")
    assert caller.roles == {"user"}
    assert caller.scopes == {"images:read", "images:write"}
    assert world.issuer.fetches == 1


def test_both_usual_algorithms_are_accepted(world: World) -> None:
    assert world.reason(world.issuer.token(key=ec_key(), alg="ES256", headers={"kid": "ec-0"})) == ""
    assert world.reason(world.issuer.token(aud=["https://other.example.com", AUDIENCE])) == ""
    assert world.issuer.fetches == 1


# -- bad tokens --------------------------------------------------------------------------------------------------------

Make = Callable[[LocalIssuer], str]
BAD: dict[str, tuple[Make, str]] = {
    "alg none": (lambda i: hand_made({"alg": "none", "kid": "rsa-0"}, i.claims()), "algorithm"),
    "alg None": (lambda i: hand_made({"alg": "None", "kid": "rsa-0"}, i.claims()), "algorithm"),
    "no alg": (lambda i: hand_made({"kid": "rsa-0"}, i.claims()), "algorithm"),
    "alg is a list": (lambda i: hand_made({"alg": ["RS256"], "kid": "rsa-0"}, i.claims()), "algorithm"),
    "RS/HS confusion": (
        lambda i: hand_made({"alg": "HS256", "kid": "rsa-0"}, i.claims(), public_pem()),
        "algorithm",
    ),
    "HMAC under RS256": (
        lambda i: hand_made({"alg": "RS256", "kid": "rsa-0"}, i.claims(), public_pem()),
        "invalid_signature",
    ),
    "RS512 is not trusted": (lambda i: i.token(alg="RS512"), "algorithm"),
    "PS256 is not trusted": (lambda i: i.token(alg="PS256"), "algorithm"),
    "EC key under RS256": (lambda i: i.token(headers={"kid": "ec-0"}), "invalid_token"),
    "RSA key under ES256": (lambda i: i.token(key=ec_key(), alg="ES256"), "invalid_token"),
    "no kid": (lambda i: hand_made({"alg": "RS256"}, i.claims(), b"any"), "no_key_id"),
    "empty kid": (lambda i: i.token(headers={"kid": ""}), "no_key_id"),
    "long kid": (lambda i: i.token(headers={"kid": "k" * 257}), "no_key_id"),
    "unknown kid": (lambda i: i.token(headers={"kid": "other"}), "unknown_key_id"),
    "another key": (lambda i: i.token(key=rsa_key(1)), "invalid_signature"),
    "jku": (lambda i: i.token(headers={"jku": "https://evil.example.com/keys"}), "foreign_key"),
    "x5u": (lambda i: i.token(headers={"x5u": "https://evil.example.com/chain"}), "foreign_key"),
    "x5c": (lambda i: i.token(headers={"x5c": ["MIIB"]}), "foreign_key"),
    "own jwk": (lambda i: i.token(key=rsa_key(1), headers={"jwk": rsa_jwk(1, "rsa-0")}), "foreign_key"),
    "crit": (lambda i: i.token(headers={"crit": ["exp"]}), "malformed_token"),
    "wrong audience": (lambda i: i.token(aud="https://other.example.com"), "invalid_claims"),
    "audience is a prefix": (lambda i: i.token(aud=AUDIENCE[:-1]), "invalid_claims"),
    "no audience": (lambda i: i.token(aud=None), "invalid_claims"),
    "wrong issuer": (lambda i: i.token(iss="https://issuer.example.com"), "unknown_issuer"),
    "issuer with a slash": (lambda i: i.token(iss=f"{i.url}/"), "unknown_issuer"),
    "no issuer": (lambda i: i.token(iss=None), "unknown_issuer"),
    "issuer is an object": (lambda i: hand_made({"alg": "RS256"}, i.claims(iss={})), "unknown_issuer"),
    "no subject": (lambda i: i.token(sub=None), "sub_claim"),
    "empty subject": (lambda i: i.token(sub=""), "sub_claim"),
    "no expiry": (lambda i: i.token(exp=None), "invalid_claims"),
    "expiry true": (lambda i: i.token(exp=True), "invalid_claims"),
    "expiry is text": (lambda i: i.token(exp="later"), "invalid_claims"),
    "expiry infinite": (lambda i: i.token(exp=float("inf")), "invalid_claims"),
    "expiry huge": (lambda i: i.token(exp=10**400), "invalid_claims"),
    "expired": (lambda i: i.token(exp=START_S - 3600), "expired"),
    "not yet valid": (lambda i: i.token(nbf=START_S + 3600), "not_yet_valid"),
    "issued later": (lambda i: i.token(iat=START_S + 3600), "not_yet_valid"),
    "claims are a list": (lambda i: hand_made({"alg": "RS256"}, []), "malformed_token"),
    "header is a list": (lambda i: hand_made([], i.claims()), "malformed_token"),
    "one part": (lambda i: "abc", "malformed_token"),
    "no JSON": (lambda i: "abc.def.ghi", "malformed_token"),
    "changed payload": (lambda i: _with_claims(i.token(), i.claims(sub="bob")), "invalid_signature"),
    "no signature": (lambda i: i.token().rpartition(".")[0] + ".", "invalid_signature"),
}


def _with_claims(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{hand_made({}, claims).split('.')[1]}.{signature}"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_for_its_reason(world: World, name: str) -> None:
    make, reason = BAD[name]
    assert world.reason(make(world.issuer)) == reason
    assert world.issuer.fetches <= 1
    assert set(world.issuer.requests) <= {"/.well-known/openid-configuration", "/keys"}
    assert world.reason(world.issuer.token()) == ""


def test_an_issuer_that_is_not_trusted_is_never_contacted(issuer: LocalIssuer) -> None:
    with local_issuer() as stranger:
        assert World(issuer).reason(stranger.token()) == "unknown_issuer"
        assert (stranger.fetches, issuer.fetches) == (0, 0)


def test_a_token_that_cannot_be_valid_causes_no_fetch(world: World) -> None:
    for name in ("alg none", "RS/HS confusion", "no kid", "jku", "x5u", "wrong issuer", "one part"):
        assert world.reason(BAD[name][0](world.issuer)) == BAD[name][1]
    assert world.issuer.fetches == 0


def test_the_key_of_one_issuer_does_not_sign_for_another(issuer: LocalIssuer) -> None:
    with local_issuer() as second:
        second.keys = [rsa_jwk(1, "rsa-0")]
        trust = [issuer.trusted(), second.trusted()]
        for source in (HttpsKeySets(issuer.tls, PATIENT_S), HttpsKeySets(second.tls, PATIENT_S)):
            verifier = TokenVerifier(trust, source, MemoryKeySets(), clock())
            with pytest.raises((InvalidCredentials, AuthUnavailable)):
                verifier.verify(second.token(key=rsa_key(0)))


def test_a_symmetric_key_that_an_issuer_publishes_is_not_used(world: World) -> None:
    secret = {"kty": "oct", "kid": "oct-0", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}
    world.issuer.keys.append(secret)
    forged = hand_made({"alg": "HS256", "kid": "oct-0"}, world.issuer.claims(), b"secret-secret-secret-secret-secret")
    assert world.reason(forged) == "algorithm"
    assert world.reason(world.issuer.token(headers={"kid": "oct-0"})) == "invalid_token"


def test_two_keys_with_the_same_id_are_ambiguous(world: World) -> None:
    world.issuer.keys = [rsa_jwk(0, "rsa-0"), rsa_jwk(1, "rsa-0")]
    assert world.reason(world.issuer.token()) == "invalid_token"


def test_a_key_for_encryption_does_not_sign(world: World) -> None:
    world.issuer.keys = [rsa_jwk(0, "rsa-0") | {"use": "enc"}]
    assert world.reason(world.issuer.token()) == "invalid_token"


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "offset_s", "reason"),
    [
        ("exp", -5, ""),
        ("exp", -LEEWAY_S + 0.001, ""),
        ("exp", -LEEWAY_S, "expired"),
        ("exp", -LEEWAY_S - 1, "expired"),
        *[(claim, 5, "") for claim in ("iat", "nbf")],
        *[(claim, 59, "") for claim in ("iat", "nbf")],
        *[(claim, LEEWAY_S, "") for claim in ("iat", "nbf")],
        *[(claim, LEEWAY_S + 0.001, "not_yet_valid") for claim in ("iat", "nbf")],
        *[(claim, 61, "not_yet_valid") for claim in ("iat", "nbf")],
    ],
)
def test_the_leeway_is_60_s_and_exact(world: World, claim: str, offset_s: float, reason: str) -> None:
    assert LEEWAY_S == 60
    times: dict[str, Any] = {claim: START_S + offset_s}
    assert world.reason(world.issuer.token(**times)) == reason


def test_a_token_expires_by_the_clock(world: World) -> None:
    token = world.issuer.token(exp=START_S + 300)
    world.clock.pass_s(300 + LEEWAY_S - 1)
    assert world.reason(token) == ""
    world.clock.pass_s(1)
    assert world.reason(token) == "expired"


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_key_that_a_warm_process_does_not_know_is_fetched_at_once(world: World) -> None:
    assert world.reason(world.issuer.token()) == ""
    world.issuer.keys = [rsa_jwk(1, "rsa-1")]
    rotated = world.issuer.token(key=rsa_key(1), headers={"kid": "rsa-1"})
    assert world.reason(rotated) == ""
    assert world.issuer.fetches == 2
    assert world.reason(world.issuer.token()) == "unknown_key_id", "the old key is gone"


def test_a_key_that_changes_under_the_same_id_is_used_after_a_refresh(world: World) -> None:
    assert world.reason(world.issuer.token()) == ""
    world.issuer.keys = [rsa_jwk(1, "rsa-0")]
    world.clock.pass_s(301)
    assert world.reason(world.issuer.token(key=rsa_key(1), exp=START_S + 900)) == ""
    assert world.reason(world.issuer.token(exp=START_S + 900)) == "invalid_signature"


def test_a_thousand_made_up_key_ids_cause_one_fetch(world: World) -> None:
    assert world.reason(world.issuer.token()) == ""
    for number in range(1000):
        forged = hand_made({"alg": "RS256", "kid": f"made-up-{number}"}, world.issuer.claims(), b"any")
        assert world.reason(forged) == "unknown_key_id"
        world.clock.pass_s(0.0299)
    assert world.issuer.fetches == 2
    world.clock.pass_s(PAUSE_S)
    assert world.reason(world.issuer.token(headers={"kid": "made-up"})) == "unknown_key_id"
    assert world.issuer.fetches == 3


@pytest.mark.parametrize("fault", ["status 500", "huge", "empty", "no keys"])
def test_cached_keys_go_on_for_an_hour_and_then_verification_is_unavailable(world: World, fault: Any) -> None:
    token = world.issuer.token(exp=START_S + 2 * USABLE_S)
    assert world.reason(token) == ""
    world.issuer.fault = fault
    world.clock.pass_s(USABLE_S - 1)
    assert (world.reason(token), world.issuer.fetches) == ("", 2)
    world.clock.pass_s(PAUSE_S)
    with pytest.raises(AuthUnavailable) as caught:
        world.verifier.verify(token)
    assert caught.value.headers == {"Retry-After": str(PAUSE_S)}
    assert (caught.value.status, caught.value.public_code, caught.value.retryable) == (503, "auth_unavailable", True)
    world.issuer.fault = None
    world.clock.pass_s(PAUSE_S)
    assert world.reason(token) == ""


class CountedKeySets(HttpsKeySets):
    """Counts fetches at their start: one whose time ends during the TLS handshake does not reach the issuer."""

    fetches = 0

    def fetch(self, issuer: str) -> KeySet:
        self.fetches += 1
        return super().fetch(issuer)


def test_a_slow_issuer_is_waited_for_once_in_30_s(issuer: LocalIssuer) -> None:
    world = World(issuer)
    source = CountedKeySets(issuer.tls, total_s=0.3)
    world.verifier = TokenVerifier([issuer.trusted()], source, MemoryKeySets(), world.clock)
    issuer.fault = "slow"
    for _ in range(50):
        with pytest.raises(AuthUnavailable):
            world.verifier.verify(issuer.token())
    assert source.fetches == 1


def test_the_key_set_is_parsed_once_for_many_tokens(world: World) -> None:
    (trusted,) = world.verifier._trusted.values()
    world.verifier.verify(world.issuer.token())
    first = trusted._built
    world.verifier.verify(world.issuer.token(sub="bob"))
    assert trusted._built is first


@pytest.mark.parametrize("part", ["header", "claims"])
def test_a_deeply_nested_token_is_malformed(world: World, part: str) -> None:
    header, claims, signature = world.issuer.token().split(".")
    nested = base64.urlsafe_b64encode(b"[" * 200_000 + b"]" * 200_000).decode().rstrip("=")
    token = f"{nested}.{claims}.{signature}" if part == "header" else f"{header}.{nested}.{signature}"
    assert world.reason(token) == "malformed_token"
