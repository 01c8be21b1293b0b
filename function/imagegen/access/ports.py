"""What finding a caller, and managing keys, need from the table, the issuers and the secret store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from imagegen.access.caller import Caller, Role, Scope

Clock = Callable[[], int]
"""Returns epoch milliseconds."""
KeySet = dict[str, Any]
"""A JSON Web Key Set (RFC 7517) with at least one key."""


class KeySetUnavailable(Exception):
    """An issuer's keys could not be fetched; the text is a reason for the log."""


class UnknownTenant(Exception):
    """No tenant has this id."""


class TenantExists(Exception):
    """Another tenant has this id."""


class UnknownKey(Exception):
    """The tenant has no key with this id."""


class KeyEnded(Exception):
    """The key was rotated or revoked, so it cannot be rotated again."""


@dataclass(frozen=True)
class Tenant:
    """A tenant; `created_at` in epoch seconds."""

    tenant: str
    name: str
    created_at: int


@dataclass(frozen=True)
class StoredKey:
    """What is stored of an API key, from which the key cannot be recovered.

    `created_at` and `ends_at` are epoch seconds. `ends_at` is None until the key is rotated or revoked. `scopes` is
    None for all scopes of the roles.
    """

    tenant: str
    key_id: str
    name: str
    digest: str
    roles: tuple[Role, ...]
    created_at: int
    scopes: tuple[Scope, ...] | None = None
    ends_at: int | None = None
    replaced_by: str | None = None

    def is_valid_at(self, now: int) -> bool:
        """Return whether the key is accepted at `now`, in epoch seconds."""
        return self.ends_at is None or now < self.ends_at


@dataclass(frozen=True)
class FoundKey:
    """A key that is valid now, and its caller. `ends_at` is None, or epoch seconds if its end is known."""

    caller: Caller
    key_id: str
    ends_at: int | None = None


class CallerDirectory(Protocol):
    """Callers by API key."""

    def find(self, digest: str) -> FoundKey | None:
        """Return the valid key with this digest, or None, in one read. Raises StorageUnavailable."""


class KeyEnds(Protocol):
    """When keys end, for functions that may not see keys."""

    def require_unended(self, tenant: str, key_id: str) -> None:
        """Raise InvalidCredentials if the key has ended. One read. Raises StorageUnavailable."""


class KeyStore(Protocol):
    """Tenants and their keys. Every call raises StorageUnavailable; repeating a call is safe."""

    def add_tenant(self, tenant: Tenant) -> None:
        """Insert the tenant. Raises TenantExists, unless it is this tenant."""

    def has_tenant(self, tenant: str) -> bool:
        """Return whether there is a tenant with this id."""

    def add_key(self, key: StoredKey) -> None:
        """Insert the key; one that exists stays as it is. Raises UnknownTenant."""

    def keys(self, tenant: str) -> list[StoredKey]:
        """Return the tenant's keys, also those that have ended, the oldest first. Empty if there is no such tenant."""

    def rotate_key(self, key_id: str, successor: StoredKey, ends_at: int) -> None:
        """Insert the successor, and end the key `key_id` of its tenant at `ends_at`, in one transaction.

        Raises UnknownKey and KeyEnded.
        """

    def revoke_key(self, tenant: str, key_id: str, now: int) -> None:
        """End the key now. A key that has ended stays as it is. Raises UnknownKey."""


class KeySetSource(Protocol):
    """Where an issuer's keys come from."""

    def fetch(self, issuer: str) -> KeySet:
        """Return the issuer's current keys. Raises KeySetUnavailable."""


class SharedKeySets(Protocol):
    """The last keys of each issuer that any process fetched, for one that starts while the issuer is down."""

    def get(self, issuer: str) -> tuple[KeySet, int] | None:
        """Return the keys and when they were fetched, in epoch seconds. Raises StorageUnavailable."""

    def put(self, issuer: str, keys: KeySet, fetched_at: int) -> None:
        """Replace the issuer's keys. Raises StorageUnavailable."""


class WebhookSecrets(Protocol):
    """Makes webhook secrets."""

    def ensure(self, tenant: str) -> None:
        """Make the tenant's first webhook secret; one that exists stays. Raises StorageUnavailable."""
