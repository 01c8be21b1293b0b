"""The caller of a request: its tenant, roles and scopes. Pure.

The authorizer finds the caller, and passes it to the functions in the context of its answer. A function judges whether
the caller's scopes allow what it asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeGuard, get_args

from imagegen.access import tenant as tenants
from imagegen.errors import ForbiddenScope, InvalidCredentials

Role = Literal["user", "operator", "admin"]
Scope = Literal["images:read", "images:write", "tenants:manage", "roles:grant"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_USER: Final[frozenset[Scope]] = frozenset({"images:read", "images:write"})
_OPERATOR: Final[frozenset[Scope]] = _USER | {"tenants:manage"}
GRANTED: Final[Mapping[Role, frozenset[Scope]]] = {
    "user": _USER,
    "operator": _OPERATOR,
    "admin": _OPERATOR | {"roles:grant"},
}
"""Scopes of each role.

images:read looks at models, jobs and images. images:write generates, submits, cancels and deletes. tenants:manage
creates tenants and their API keys. roles:grant gives a key another role than user.
"""


@dataclass(frozen=True)
class Caller:
    """Who sent a request. `principal` names the credential in logs: `key:` and its id, or `token:` and a digest."""

    tenant: str
    principal: str
    roles: frozenset[Role]
    scopes: frozenset[Scope]
    remembered_key: str | None = None
    """Id of the caller's key, if the authorizer has not looked it up for this request: it may have ended since."""

    @classmethod
    def of(
        cls, tenant: str, principal: str, roles: Collection[Role], narrowed_to: Collection[str] | None = None
    ) -> Self:
        """Return a caller with the scopes of its roles, or with those of them that are in `narrowed_to`."""
        granted = scopes_of(roles)
        kept = granted if narrowed_to is None else granted & set(narrowed_to)
        return cls(tenant, principal, frozenset(roles), frozenset(kept))

    @classmethod
    def from_context(cls, context: object) -> Self:
        """Return the caller that `to_context` wrote, from `requestContext.authorizer` of a gateway's event.

        Roles and scopes that this version does not know are dropped. Raises InvalidCredentials without a context, or
        without a valid tenant in it: the route then has no authorizer, and its callers would share a tenant.
        """
        found = context if isinstance(context, Mapping) else {}
        if not tenants.is_valid(found.get("tenant")):
            raise InvalidCredentials(private="no_authorizer")
        return cls(
            str(found["tenant"]),
            str(found.get("principal", "")),
            frozenset(each for each in _words(found.get("roles")) if is_role(each)),
            frozenset(each for each in _words(found.get("scopes")) if is_scope(each)),
            str(found["remembered_key"]) if "remembered_key" in found else None,
        )

    def to_context(self) -> dict[str, str]:
        """Return the caller in the form of an authorizer's context, which has no lists. It contains no secret."""
        context = {
            "tenant": self.tenant,
            "principal": self.principal,
            "roles": " ".join(each for each in ROLES if each in self.roles),
            "scopes": " ".join(each for each in SCOPES if each in self.scopes),
        }
        return context if self.remembered_key is None else context | {"remembered_key": self.remembered_key}

    def require(self, scope: Scope) -> None:
        """Raise ForbiddenScope unless the caller has the scope."""
        if scope not in self.scopes:
            raise ForbiddenScope(f"This needs the scope {scope}, which your credential does not have.")


def scopes_of(roles: Collection[Role]) -> frozenset[Scope]:
    """Return the scopes of all the roles together."""
    return frozenset().union(*(GRANTED[each] for each in roles))


def is_role(text: object) -> TypeGuard[Role]:
    """Return whether `text` is a role."""
    return text in ROLES


def is_scope(text: object) -> TypeGuard[Scope]:
    """Return whether `text` is a scope of this API."""
    return text in SCOPES


def _words(value: object) -> list[str]:
    return value.split() if isinstance(value, str) else []
