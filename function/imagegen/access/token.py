"""Verifies JWTs of trusted issuers. The only module that knows the verifier.

Powertools' verifier, whose interface may still change, judges algorithm, signature, issuer and audience. What it cannot
do is done here: keys stay usable for an hour while the issuer is down (`key_sets.py`), and times are compared with a
clock that a test can set. PyJWT, on which it is built, reads the header and the issuer's name, which choose the keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import jwt
from aws_lambda_powertools.utilities.auth_alpha.jwt import JWTVerifier
from aws_lambda_powertools.utilities.auth_alpha.jwt.exceptions import AuthError

from imagegen.access.caller import Caller
from imagegen.access.issuer import Issuer
from imagegen.access.key_sets import IssuerKeys
from imagegen.access.ports import Clock, KeySet, KeySetSource, SharedKeySets
from imagegen.errors import InvalidCredentials

LEEWAY_S: Final = 60
"""How far the issuer's clock and this one may be apart: `exp` and `nbf` are exact beyond it."""

_UNLIMITED_S: Final = 10**12
"""Leeway of the verifier, which reads the machine's clock. `_check_times` judges the times instead."""
_MAX_KEY_ID: Final = 256
_FOREIGN_KEYS: Final = {"jku", "jwk", "x5c", "x5u"}
"""Header parameters with which a token names or brings its own key. They are never used, and a token that has one is
refused: no issuer of ours needs them, and an attacker's token does."""


class TokenVerifier:
    """Finds the caller of a token. Thread-safe."""

    def __init__(self, issuers: Iterable[Issuer], source: KeySetSource, shared: SharedKeySets, clock: Clock):
        self._trusted = {
            each.issuer: _TrustedIssuer(each, IssuerKeys(source, shared, each.issuer, clock)) for each in issuers
        }
        self._clock = clock

    def verify(self, token: str) -> Caller:
        """Return the token's caller.

        Raises InvalidCredentials, and AuthUnavailable if the issuer's keys cannot be fetched.
        """
        header, claimed = _unverified(token)
        issuer = claimed.get("iss")
        trusted = self._trusted.get(issuer) if isinstance(issuer, str) else None
        if trusted is None:
            raise InvalidCredentials(private="unknown_issuer")
        claims = trusted.verify(token, header)
        _check_times(claims, self._clock() / 1000)
        return trusted.issuer.caller(claims)


class _TrustedIssuer:
    def __init__(self, issuer: Issuer, keys: IssuerKeys):
        self.issuer = issuer
        self._keys = keys
        self._built: tuple[KeySet, JWTVerifier] | None = None

    def verify(self, token: str, header: Mapping[str, Any]) -> dict[str, Any]:
        """Return the claims, whose times are not checked yet. Fetches keys only for a header that can be valid."""
        _check_header(header, self.issuer)
        verifier = self._verifier(self._keys.containing(header["kid"]))
        try:
            return verifier.verify(token)
        except AuthError as error:
            raise InvalidCredentials(private=error.reason.value) from None

    def _verifier(self, keys: KeySet) -> JWTVerifier:
        """Return a verifier with these keys, the same one as long as they stay."""
        built = self._built
        if built is None or built[0] is not keys:
            built = self._built = (keys, self._new_verifier(keys))
        return built[1]

    def _new_verifier(self, keys: KeySet) -> JWTVerifier:
        return JWTVerifier(
            issuer=self.issuer.issuer,
            audience=list(self.issuer.audiences),
            algorithms=list(self.issuer.algorithms),
            jwks=keys,
            clock_skew_seconds=_UNLIMITED_S,
        )


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise InvalidCredentials(private="malformed_token") from None
    return parts["header"], parts["payload"]


def _check_header(header: Mapping[str, Any], issuer: Issuer) -> None:
    if header.get("alg") not in issuer.algorithms:
        raise InvalidCredentials(private="algorithm")
    if _FOREIGN_KEYS & header.keys():
        raise InvalidCredentials(private="foreign_key")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= _MAX_KEY_ID:
        raise InvalidCredentials(private="no_key_id")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """Raise InvalidCredentials unless the claims, which are finite numbers, hold at `now`, in epoch seconds."""
    if claims["exp"] <= now - LEEWAY_S:
        raise InvalidCredentials(private="expired")
    if max(claims.get("nbf", 0), claims.get("iat", 0)) > now + LEEWAY_S:
        raise InvalidCredentials(private="not_yet_valid")
