"""Reservations and their settlement, as transactions on the DynamoDB table."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from operator import attrgetter
from typing import Any

from imagegen.aws.clients import translated
from imagegen.aws.due_shards import due_shards
from imagegen.aws.key_ends import after_checks, unended_checks
from imagegen.aws.quota_items import (
    amount_of,
    bill_key,
    bill_write,
    quota_key,
    refusal,
    reservation_of,
    reserve_writes,
    settle_writes,
)
from imagegen.aws.room import FullTenants, require_room
from imagegen.aws.table import ATTEMPTS, PATIENT_ATTEMPTS, Table, deserialized, go_on, serialized
from imagegen.aws.transactions import Contended, Reason, failed, too_many_at_once, transact
from imagegen.errors import InternalError, StorageUnavailable
from imagegen.limits.quota import Amount, Quota, Reservation, require_affordable
from imagegen.limits.usage import Charge


class DynamoQuotas(Table):
    """Implements limits.ports.Quotas."""

    @cached_property
    def _full(self) -> FullTenants:
        return FullTenants()

    def reserve(self, reservation: Reservation, quota: Quota, key_id: str | None = None) -> None:
        """Hold the amount. One call; none for a request that is too expensive. Safe to repeat.

        Raises RequestTooExpensive, QuotaExceeded, QueueFull or StorageUnavailable, RateLimited if the tenant's other
        requests kept the row busy for seconds, and InvalidCredentials if the tenant's key `key_id` has ended.
        """
        require_affordable(reservation.amount, quota)
        checks = unended_checks(self._name, reservation.tenant, key_id, self._seconds())
        try:
            with translated("DynamoDB"):
                room = require_room(self._client, self._name, reservation, quota, self._clock(), self._full)
            reasons = self._transact([*checks, *reserve_writes(self._name, reservation, quota)], on_conflict=room)
        except Contended as busy:
            raise too_many_at_once() from busy
        refused = refusal(reservation, quota, after_checks(reasons, checks), self._clock()) if reasons else None
        if refused is not None:
            self._full.note(reservation.tenant, full=True)
            raise refused

    def settle(self, reservation: Reservation, charge: Charge | None = None) -> bool:
        """Replace the amount by the charge, and write bill and usage. None: the work costs nothing. One call.

        Returns False, and changes nothing, if the reservation is settled already, also by the sweeper. Raises
        StorageUnavailable: repeat it, or leave the reservation to the sweeper, which charges nothing.
        """
        charge = charge.within(reservation.amount) if charge else None
        writes = settle_writes(self._name, reservation, charge)
        if charge is not None:
            writes.append(bill_write(self._name, reservation, charge))
        try:
            reasons = self._transact(writes, ATTEMPTS if charge is None else PATIENT_ATTEMPTS)
        except Contended as busy:
            raise StorageUnavailable("DynamoDB is busy. Retry in a few seconds.", private="contention") from busy
        if reasons and not failed(reasons[0]):
            raise InternalError(private=f"reservation {reservation.id} is open, but its bill exists")
        return reasons is None

    def billed(self, reservation: Reservation) -> bool:
        """Return whether the work has a bill. One call."""
        with translated("DynamoDB"):
            return bool(self._read(serialized(bill_key(reservation.tenant, reservation.id))))

    def lost(self, limit: int) -> list[Reservation]:
        """Return up to `limit` reservations whose time has passed, the oldest first.

        One call for each shard, and one for each of up to `limit` reservations.
        """
        now = self._clock()
        with translated("DynamoDB"):
            due = [entry for shard in due_shards("reserved") for entry in self._due(shard, limit)]
            oldest = sorted(due, key=lambda entry: int(entry["due_at"]["N"]))[:limit]
            items = [self._read({"pk": entry["pk"], "sk": entry["sk"]}) for entry in oldest]
        reservations = [reservation_of(deserialized(item)) for item in items if item]
        # The index may be late: what it lists as a request may have become a job, which is not lost.
        return sorted((each for each in reservations if each.lost_at <= now), key=attrgetter("lost_at"))

    def committed(self, tenant: str, month: str) -> Amount:
        """Return the month's images and dollars, used and reserved. One call."""
        with translated("DynamoDB"):
            return amount_of(self._read(serialized(quota_key(tenant, month))))

    def _transact(
        self, writes: list[Any], attempts: int = ATTEMPTS, on_conflict: Callable[[], None] = go_on
    ) -> list[Reason] | None:
        with translated("DynamoDB"):
            return transact(self._client, writes, attempts, on_conflict)

    def _read(self, key: Any) -> Any:
        return self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True).get("Item")
