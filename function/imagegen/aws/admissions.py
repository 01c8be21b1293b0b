"""A rate decision and a reservation in one transaction, for routes that draw while the caller waits.

The same transaction checks a key that the authorizer has only remembered.
"""

from __future__ import annotations

from imagegen.aws.clients import translated
from imagegen.aws.key_ends import after_checks, unended_checks
from imagegen.aws.quota_items import refusal, reserve_writes
from imagegen.aws.rate_limits import rate_update, stored_tat
from imagegen.aws.room import FullTenants, require_room
from imagegen.aws.table import Table
from imagegen.aws.transactions import Contended, Reason, failed, too_many_at_once, transact
from imagegen.jobs.ports import Clock
from imagegen.limits.ports import Quotas
from imagegen.limits.quota import Quota, Reservation, require_affordable
from imagegen.limits.rate_limit import Decision, RatePolicy, TatMemory


class DynamoAdmissions(Table):
    """Implements limits.ports.Admissions."""

    def __init__(self, name: str, clock: Clock, quotas: Quotas, memory: TatMemory | None = None):
        super().__init__(name, clock)
        self._quotas = quotas
        self._memory = memory or TatMemory()
        self._full = FullTenants()

    def admit(
        self, policy: RatePolicy | None, reservation: Reservation, quota: Quota, key_id: str | None = None
    ) -> Decision | None:
        """Count the request and hold its amount, or neither. Safe to repeat. None without a policy.

        One call, or none for what this process can refuse; one more for each time that the bucket was not as this
        process had seen it. A transaction does not return what it wrote, so `remaining` may be too high by what other
        processes have admitted. Raises RequestTooExpensive, RateLimited, QuotaExceeded, QueueFull, StorageUnavailable,
        and InvalidCredentials if the tenant's key `key_id` has ended.
        """
        if policy is None:
            self._quotas.reserve(reservation, quota, key_id)
            return None
        require_affordable(reservation.amount, quota)
        now_ms = self._clock()
        while True:
            decision = self._memory.decide(reservation.tenant, policy, now_ms * 1000)
            decision.require_allowed()
            reasons = self._write(decision, reservation, quota, key_id)
            if reasons is None:
                self._memory.learn(reservation.tenant, policy, decision.tat_us)
                return decision
            rate, *others = reasons
            if any(map(failed, others)):
                refused = refusal(reservation, quota, others, now_ms)
                if refused is None:  # an earlier attempt has reserved it, and counted the request
                    return decision
                self._full.note(reservation.tenant, full=True)
                raise refused
            self._memory.learn(reservation.tenant, policy, stored_tat(rate.get("Item")))

    def _write(
        self, decision: Decision, reservation: Reservation, quota: Quota, key_id: str | None
    ) -> list[Reason] | None:
        """Return None, or why the update of the rate, or a write of the reservation, was refused."""
        checks = unended_checks(self._name, reservation.tenant, key_id, self._seconds())
        rate = {"Update": rate_update(self._name, reservation.tenant, decision)}
        try:
            with translated("DynamoDB"):
                writes = [*checks, rate, *reserve_writes(self._name, reservation, quota)]
                room = require_room(self._client, self._name, reservation, quota, self._clock(), self._full)
                reasons = transact(self._client, writes, on_conflict=room)
        except Contended as busy:
            raise too_many_at_once() from busy
        return None if reasons is None else after_checks(reasons, checks)
