"""Tenants and their API keys, for operators: create, list, rotate with an overlap, revoke."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from ulid import ULID

from imagegen.access import api_key
from imagegen.access import tenant as tenants
from imagegen.access.caller import Caller, Role, Scope
from imagegen.access.ports import (
    Clock,
    KeyStore,
    StoredKey,
    Tenant,
    TenantExists,
    UnknownKey,
    UnknownTenant,
    WebhookSecrets,
)

DEFAULT_OVERLAP_S: Final = 24 * 3600
MAX_OVERLAP_S: Final = 30 * 24 * 3600
"""Longest time that a rotated key stays valid beside its successor."""

_USER: Final[tuple[Role, ...]] = ("user",)


@dataclass(frozen=True)
class NewKey:
    """A key as its operator sees it once. `key` is stored nowhere."""

    stored: StoredKey
    key: str = field(repr=False)


class TenantKeys:
    """Manages tenants and keys for a caller with the scope tenants:manage, which its user checks first.

    A key of another role than user is made, rotated and revoked only by a caller with the scope roles:grant, so that an
    operator cannot become an administrator. Every call raises StorageUnavailable.
    """

    def __init__(self, store: KeyStore, secrets: WebhookSecrets, clock: Clock):
        self._store = store
        self._secrets = secrets
        self._clock = clock

    def create_tenant(self, name: str, tenant: str | None = None) -> Tenant:
        """Create a tenant with its webhook secret. Raises ValueError for an invalid id, and TenantExists.

        The secret is made first: without one, the tenant's first webhook would be refused.
        """
        made = Tenant(tenant or tenants.new(), name, self._now())
        if not tenants.is_valid(made.tenant):
            raise ValueError(f"a tenant id must be {tenants.FORM}")
        self._secrets.ensure(made.tenant)
        self._store.add_tenant(made)
        return made

    def create_key(
        self,
        tenant: str,
        name: str,
        *,
        by: Caller,
        roles: Collection[Role] = _USER,
        scopes: Collection[Scope] | None = None,
    ) -> NewKey:
        """Create a key. Raises UnknownTenant and ForbiddenScope."""
        _check_may_grant(by, roles)
        kept = None if scopes is None else tuple(sorted(set(scopes)))
        made = self._new(StoredKey(tenant, "", name, "", tuple(sorted(set(roles))), 0, scopes=kept))
        self._store.add_key(made.stored)
        return made

    def create_first_key(
        self,
        tenant: str,
        name: str,
        *,
        by: Caller,
        roles: Collection[Role] = _USER,
        scopes: Collection[Scope] | None = None,
    ) -> NewKey:
        """Create a key, and before it the tenant and its webhook secret if there is none.

        Raises ValueError for an invalid id, and ForbiddenScope.
        """
        _check_may_grant(by, roles)
        with suppress(TenantExists):
            self.create_tenant(tenant, tenant)
        return self.create_key(tenant, name, by=by, roles=roles, scopes=scopes)

    def keys(self, tenant: str) -> list[StoredKey]:
        """Return the tenant's keys, also those that have ended, the oldest first. Empty if there is no such tenant."""
        return self._store.keys(tenant)

    def listed(self, tenant: str, *, by: Caller) -> list[StoredKey]:
        """Return the same. Raises UnknownTenant.

        The caller's own tenant always exists: an issuer may name it before it has a key.
        """
        found = self._store.keys(tenant)
        if not found and tenant != by.tenant and not self._store.has_tenant(tenant):
            raise UnknownTenant
        return found

    def rotate(self, tenant: str, key_id: str, *, by: Caller, overlap_s: int = DEFAULT_OVERLAP_S) -> NewKey:
        """Replace a key by a new one with the same name, roles and scopes. The old one ends after `overlap_s`.

        Raises UnknownKey, KeyEnded, ForbiddenScope, and ValueError for an overlap that is not from 0 to MAX_OVERLAP_S.
        """
        if not 0 <= overlap_s <= MAX_OVERLAP_S:
            raise ValueError(f"the overlap must be from 0 to {MAX_OVERLAP_S} seconds")
        made = self._new(self._existing(tenant, key_id, by))
        self._store.rotate_key(key_id, made.stored, self._now() + overlap_s)
        return made

    def revoke(self, tenant: str, key_id: str, *, by: Caller) -> None:
        """End a key now. Raises UnknownKey and ForbiddenScope."""
        self._existing(tenant, key_id, by)
        self._store.revoke_key(tenant, key_id, self._now())

    def _existing(self, tenant: str, key_id: str, by: Caller) -> StoredKey:
        found = next((each for each in self._store.keys(tenant) if each.key_id == key_id), None)
        if found is None:
            raise UnknownKey
        _check_may_grant(by, found.roles)
        return found

    def _new(self, like: StoredKey) -> NewKey:
        key = api_key.new()
        now = self._clock()
        stored = replace(
            like,
            key_id=str(ULID.from_timestamp(now / 1000)),
            digest=api_key.digest(key),
            created_at=now // 1000,
            ends_at=None,
            replaced_by=None,
        )
        return NewKey(stored, key)

    def _now(self) -> int:
        return self._clock() // 1000


def _check_may_grant(by: Caller, roles: Collection[Role]) -> None:
    if set(roles) != {"user"}:
        by.require("roles:grant")
