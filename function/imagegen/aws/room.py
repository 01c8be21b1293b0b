"""Whether the rows on which reservations conflict have room left. A read never conflicts, and may spare attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imagegen.aws.quota_items import ALL_OPEN_KEY, amount_of, open_key, quota_key
from imagegen.aws.table import serialized
from imagegen.limits.quota import Quota, Reservation, queue_full, quota_exceeded

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def require_room(
    client: DynamoDBClient, table: str, reservation: Reservation, quota: Quota, now_ms: int
) -> Callable[[], None]:
    """Return what a reservation does after a conflict: it raises QuotaExceeded or QueueFull if no room is left.

    Without it, a caller whose quota is used up would compete for the row, and hear of the competition instead. It makes
    one call for each kind of limit that there is.
    """

    def read(key: dict[str, str]) -> Any:
        return client.get_item(TableName=table, Key=serialized(key), ConsistentRead=True).get("Item")

    def open_jobs(key: dict[str, str]) -> int:
        return int((read(key) or {}).get("jobs", {"N": "0"})["N"])

    def check() -> None:
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

    return check
