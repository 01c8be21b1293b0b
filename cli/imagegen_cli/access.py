"""The API's operations on callers, usage and keys.

Creating and rotating a key have no Idempotency-Key, so they are repeated only after a 429, which did nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from imagegen_cli.access_documents import Identity, KeyList, NewKey, ReportPage, TenantUsage, Usage
from imagegen_cli.client import Client
from imagegen_cli.documents import Answer
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.profile import Profile
from imagegen_cli.session import SETTLED, command, resumable
from imagegen_cli.work import require_id


def identity(client: Client) -> Answer[Identity]:
    """Return the caller. Raises Failure."""
    return client.get(Identity, "/me")


def used(client: Client, first: str | None, last: str | None) -> Answer[Usage]:
    """Return what the tenant has used from the month `first` to `last`; None for the API's default. Raises Failure."""
    return client.get(Usage, "/usage", **{"from": first, "to": last})


def reported(client: Client, months: Sequence[str]) -> list[TenantUsage]:
    """Return what every tenant has used in the months, each counted once; none for the current one. Raises Failure."""
    chosen: Iterable[str | None] = dict.fromkeys(months) or (None,)
    return [row for month in chosen for page in _report_pages(client, month) for row in page.rows]


def _report_pages(client: Client, month: str | None) -> Iterator[ReportPage]:
    """Yield every page, of the first one's month: the current one may end in between."""
    cursor: str | None = None
    while True:
        page = client.get(ReportPage, "/report", month=month, cursor=cursor).value
        yield page
        if page.cursor is None:
            return
        month, cursor = page.month, page.cursor


def keys(client: Client, tenant: str | None) -> Answer[KeyList]:
    """Return the keys of the tenant, None for the caller's own. Raises Failure."""
    return client.get(KeyList, "/keys", tenant=tenant)


def create_key(client: Client, profile: Profile, fields: Mapping[str, Any]) -> Answer[NewKey]:
    """Return the new key; a field of None is left out. Raises Failure."""
    with _said_if_lost(profile, fields["tenant"]):
        return client.post_once(NewKey, "/keys", _given(fields))


def rotate_key(client: Client, profile: Profile, key_id: str, fields: Mapping[str, Any]) -> Answer[NewKey]:
    """Return the key's successor; a field of None is left out. Raises Failure."""
    require_id(key_id, "key", "keys list")
    with _said_if_lost(profile, fields["tenant"]):
        return client.post_once(NewKey, f"/keys/{key_id}/rotate", _given(fields))


def revoke_key(client: Client, key_id: str, tenant: str | None) -> None:
    """End the key; one that has ended stays as it is. Raises Failure."""
    require_id(key_id, "key", "keys list")
    client.delete(f"/keys/{key_id}", tenant=tenant)


@contextmanager
def _said_if_lost(profile: Profile, tenant: str | None) -> Iterator[None]:
    of_tenant = ["--tenant", tenant] if tenant else []
    listed, ended = (command(profile, "keys", *words, *of_tenant) for words in (("list",), ("revoke", "ID")))
    hint = f"A key that you did not receive may have been created. To see it: {listed}; to end it: {ended}"
    with resumable(hint, settled=SETTLED | {ExitCode.THROTTLED}):
        yield


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
