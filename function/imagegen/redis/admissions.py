"""A rate decision in Redis, and then the reservation in the table."""

from __future__ import annotations

from imagegen.errors import ServiceError
from imagegen.limits.ports import Admissions, Quotas
from imagegen.limits.quota import Quota, Reservation, require_affordable
from imagegen.limits.rate_limit import Decision, RatePolicy
from imagegen.redis.rate_limits import RedisBuckets
from imagegen.redis.server import RedisFailed


class RedisAdmissions:
    """Implements limits.ports.Admissions. Money stays in the table: only the rate is decided in Redis."""

    def __init__(self, buckets: RedisBuckets, table: Admissions, quotas: Quotas):
        """`table` makes both decisions if Redis fails."""
        self._buckets = buckets
        self._table = table
        self._quotas = quotas

    def admit(
        self, policy: RatePolicy | None, reservation: Reservation, quota: Quota, key_id: str | None = None
    ) -> Decision | None:
        """Count the request and hold its amount, or neither. None without a policy: there is no rate limit.

        Raises what the table's raises. A process that dies between the two has counted a request that drew nothing.
        """
        if policy is None:
            return self._table.admit(None, reservation, quota, key_id)
        require_affordable(reservation.amount, quota)
        try:
            decision = self._buckets.take(reservation.tenant, policy)
        except RedisFailed:
            return self._table.admit(policy, reservation, quota, key_id)
        decision.require_allowed()
        try:
            self._quotas.reserve(reservation, quota, key_id)
        except ServiceError:
            self._buckets.give_back(reservation.tenant, policy)
            raise
        return decision
