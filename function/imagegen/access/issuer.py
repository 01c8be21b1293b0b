"""An identity provider that this deployment trusts, and how the claims of its tokens name a caller. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from imagegen.access import tenant as tenants
from imagegen.access.caller import ROLES, Caller, Role
from imagegen.errors import InvalidCredentials

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Text = Annotated[str, Field(min_length=1, max_length=512)]
Path = tuple[Text, ...]
"""Names of nested claims, outermost first; a name may contain dots and slashes."""


class Issuer(BaseModel):
    """A trusted issuer. Its roles can name any tenant if `tenant_claim` is set, so trust it like an administrator.

    Without `tenant_claim`, each subject is a tenant of its own, which no other issuer or key can name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[str, Field(pattern=r"^https://[^\s?#@]+$", max_length=512)]
    audiences: Annotated[tuple[Text, ...], Field(min_length=1)]
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256")
    tenant_claim: Path = ()
    roles_claim: Path = ()
    role_names: Mapping[Role, tuple[Text, ...]] = {}
    """Values of the roles claim for each role, such as names of groups. If empty, they are the roles' own names.

    With names of groups, a role's own name means nothing: anyone who may create a group could call it `admin`.
    """
    scopes_claim: Path = ()
    """If set, a caller has only those scopes of its roles that are in this claim."""

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """Return the caller that verified claims name. Raises InvalidCredentials."""
        subject = _string(claims, ("sub",))
        digest = hashlib.sha256(f"{self.issuer}\0{subject}".encode()).hexdigest()
        tenant = _string(claims, self.tenant_claim) if self.tenant_claim else f"sub-{digest[:32]}"
        if not tenants.is_valid(tenant):
            raise InvalidCredentials(private="tenant_claim")
        narrowed_to = _words(claims, self.scopes_claim) if self.scopes_claim else None
        return Caller.of(tenant, f"token:{digest[:16]}", self._roles(claims), narrowed_to)

    def _roles(self, claims: Mapping[str, Any]) -> list[Role]:
        """Return the roles in the claim, or user if it has none that this service knows."""
        found = _values(claims, self.roles_claim) if self.roles_claim else []
        names = self.role_names or {role: (role,) for role in ROLES}
        return [role for role in ROLES if not set(found).isdisjoint(names.get(role, ()))] or ["user"]


_LIST: Final = TypeAdapter(tuple[Issuer, ...])


def parse(text: str) -> tuple[Issuer, ...]:
    """Return the issuers in a JSON list of objects, or none if `text` is empty.

    Raises pydantic.ValidationError, or ValueError if an issuer is listed twice.
    """
    found = _LIST.validate_json(text) if text.strip() else ()
    names = [each.issuer for each in found]
    if len(set(names)) != len(names):
        raise ValueError("each issuer must be listed once")
    return found


def _at(claims: Mapping[str, Any], path: Path) -> object:
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _string(claims: Mapping[str, Any], path: Path) -> str:
    found = _at(claims, path)
    if not isinstance(found, str) or not found:
        raise InvalidCredentials(private=f"{path[-1]}_claim")
    return found


def _words(claims: Mapping[str, Any], path: Path) -> list[str]:
    """Return the words of a claim that is a list or, as in RFC 8693, words in a string. Empty if it is absent."""
    return [word for value in _values(claims, path) for word in value.split()]


def _values(claims: Mapping[str, Any], path: Path) -> list[str]:
    """Return the strings of a claim that is a list, or the one that it is. Empty if it is absent.

    A string is not split: the group `Former operator` is no operator.
    """
    found = _at(claims, path)
    values = [found] if isinstance(found, str) else [] if found is None else found
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise InvalidCredentials(private=f"{path[-1]}_claim")
    return values
