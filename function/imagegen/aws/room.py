"""Whether the rows on which reservations conflict have room left. A read never conflicts.

Settlements and reservations write the same row and compete for it. So a tenant that has nothing left must not
write: 64 of its requests at once kept finished work from being settled (R13).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from imagegen.aws.quota_items import ALL_OPEN_KEY, amount_of, open_key, quota_key
from imagegen.aws.table import serialized
from imagegen.errors import LimitReached
from imagegen.limits.quota import Quota, Reservation, queue_full, quota_exceeded

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


_MAX_TENANTS: Final = 10_000


class FullTenants:
    """The tenants that had no room left when this process last looked. Their rows are read before they are written."""

    def __init__(self) -> None:
        self._tenants: set[str] = set()

    def __contains__(self, tenant: str) -> bool:
        return tenant in self._tenants

    def note(self, tenant: str, *, full: bool) -> None:
        """Remember what this process has seen."""
        if not full:
            self._tenants.discard(tenant)
        elif len(self._tenants) < _MAX_TENANTS:
            self._tenants.add(tenant)


def require_room(
    client: DynamoDBClient, table: str, reservation: Reservation, quota: Quota, now_ms: int, full: FullTenants
) -> Callable[[], None]:
    """Return what a reservation does after a conflict: it raises QuotaExceeded or QueueFull if no room is left.

    Without it, a caller whose quota is used up would compete for the row, and hear of the competition instead. It makes
    one call for each kind of limit that there is. It is done at once for a tenant that is among those in `full`.
    """

    def read(key: dict[str, str]) -> Any:
        return client.get_item(TableName=table, Key=serialized(key), ConsistentRead=True).get("Item")

    def open_jobs(key: dict[str, str]) -> int:
        return int((read(key) or {}).get("jobs", {"N": "0"})["N"])

    def require() -> None:
        if quota.images is not None or quota.usd is not None:
            committed = amount_of(read(quota_key(reservation.tenant, reservation.month)))
            if not quota.covers(reservation.amount, committed):
                raise quota_exceeded(reservation, quota, committed, now_ms)
        if (
            reservation.is_job
            and quota.open_jobs is not None
            and open_jobs(open_key(reservation.tenant)) >= quota.open_jobs
        ):
            raise queue_full(quota)
        if quota.all_open_jobs is not None and open_jobs(ALL_OPEN_KEY) >= quota.all_open_jobs:
            raise queue_full(quota, in_all=True)

    def check() -> None:
        try:
            require()
        except LimitReached:
            full.note(reservation.tenant, full=True)
            raise
        full.note(reservation.tenant, full=False)

    if reservation.tenant in full:
        check()
    return check
