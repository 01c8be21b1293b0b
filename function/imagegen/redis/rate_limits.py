"""Rate limits in Redis: one script for each decision, on the server's clock.

A decision that Redis cannot make is made in the table, where the bucket may be full. So a tenant whose limit moves to
the table, or back, can win one burst; while only some environments reach Redis, it has a bucket in each of the two.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from imagegen.limits.ports import RateLimits
from imagegen.limits.rate_limit import Decision, RatePolicy
from imagegen.redis.server import RedisFailed, RedisServer, Script

# As `decide` in limits/rate_limit.py. Lua's numbers hold microseconds exactly until the year 2255.
_TAKE: Final = Script("""
local interval, last, beyond = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stored = redis.pcall('GET', KEYS[1])
local tat = type(stored) == 'string' and tonumber(stored)
local idle = not (tat and tat > now and tat <= now + beyond)
if idle then tat = now end
if tat > now + last then return {0, tat, now, 0} end
tat = tat + interval
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
return {1, tat, now, idle and 1 or 0}
""")
_GIVE_BACK: Final = Script("""
local stored = redis.pcall('GET', KEYS[1])
local tat = type(stored) == 'string' and tonumber(stored)
if tat then redis.call('SET', KEYS[1], string.format('%.0f', tat - ARGV[1]), 'KEEPTTL') end
""")


class RedisBuckets:
    """One bucket per tenant and class of routes."""

    def __init__(self, server: RedisServer, name: str):
        """`name` tells deployments apart."""
        self._server = server
        self._name = name

    def take(self, tenant: str, policy: RatePolicy) -> Decision:
        """Decide on one request, and count it if it is admitted. Raises RedisFailed.

        If the answer is lost, the request may count here and in the table: the safe side.
        """
        limits = (policy.interval_us, policy.last_us, policy.beyond_us)
        allowed, tat_us, now_us, idle = self._server.run(_TAKE, self._key(tenant, policy), *limits)
        return Decision(policy, bool(allowed), tat_us, now_us, bool(idle))

    def give_back(self, tenant: str, policy: RatePolicy) -> None:
        """Uncount a request that was admitted, if Redis answers.

        If the answer is lost, redis-py repeats the script, and the tenant can win one request.
        """
        with suppress(RedisFailed):
            self._server.run(_GIVE_BACK, self._key(tenant, policy), policy.interval_us)

    def _key(self, tenant: str, policy: RatePolicy) -> str:
        return f"{self._name}:rate:{tenant}:{policy.route_class}"


class RedisRateLimits:
    """Implements limits.ports.RateLimits."""

    def __init__(self, buckets: RedisBuckets, table: RateLimits):
        self._buckets = buckets
        self._table = table

    def take(self, tenant: str, policy: RatePolicy) -> Decision:
        """Decide on one request, and count it if it is admitted: in Redis, or else in the table."""
        try:
            return self._buckets.take(tenant, policy)
        except RedisFailed:
            return self._table.take(tenant, policy)
