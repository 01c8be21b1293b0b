"""Rate limits in a real server: exact under concurrency, and made in the table if the server fails."""

from __future__ import annotations

import pytest

from imagegen.errors import QuotaExceeded, RateLimited
from imagegen.limits.quota import Quota
from imagegen.limits.rate_limit import RatePolicy
from imagegen.redis.admissions import RedisAdmissions
from imagegen.redis.rate_limits import RedisBuckets, RedisRateLimits
from imagegen.redis.server import RedisServer
from tests.support.aws_calls import at_once
from tests.support.limits_world import MONTH, LimitsWorld
from tests.support.redis_servers import Running, Told, connected

SLOW = RatePolicy("drawing", per_second=0.001, burst=20)
"""No bucket refills during a test."""


def rates(server: RedisServer, limits: LimitsWorld) -> RedisRateLimits:
    return RedisRateLimits(RedisBuckets(server, "stack"), limits.rates_of_another_process())


def milliseconds(process: Running) -> int:
    """Return the server's time, rounded down."""
    seconds, microseconds = process.raw.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def test_64_processes_admit_exactly_the_burst(process: Running, told: Told, limits: LimitsWorld) -> None:
    processes = [rates(connected(process.url, told), limits) for _ in range(64)]
    decisions = at_once(64, lambda number: [processes[number].take("alice", SLOW) for _ in range(4)])
    admitted = [each for some in decisions for each in some if each.allowed]
    assert sorted(each.remaining for each in admitted) == list(range(20)), "each is told"
    refused = next(each for some in decisions for each in some if not each.allowed)
    assert 1 <= refused.retry_after_s <= 1000
    assert limits.calls.take() == []
    assert told.failures == []


def test_a_bucket_refills_on_the_servers_clock(server: RedisServer, limits: LimitsWorld) -> None:
    fast, empty = RatePolicy("looking", per_second=1e6, burst=1), RatePolicy("drawing", per_second=0.001, burst=1)
    for policy, expected in ((fast, [True] * 20), (empty, [True] + [False] * 19)):
        decisions = [rates(server, limits).take("alice", policy) for _ in range(20)]
        assert [each.allowed for each in decisions] == expected
    assert all(each.headers["RateLimit-Policy"] for each in decisions)


def test_tenants_classes_and_deployments_have_buckets_of_their_own(server: RedisServer) -> None:
    policies = [RatePolicy(each, per_second=0.001, burst=1) for each in ("drawing", "looking")]
    for name in ("one", "two"):
        for tenant in ("alice", "bob"):
            decisions = [RedisBuckets(server, name).take(tenant, each) for each in policies * 2]
            assert [each.allowed for each in decisions] == [True, True, False, False]


def test_a_full_bucket_needs_no_key(process: Running, server: RedisServer) -> None:
    """Its key ends when the bucket is full."""
    before = milliseconds(process)
    RedisBuckets(server, "stack").take("alice", SLOW)
    [key] = process.raw.keys()
    assert key == b"stack:rate:alice:drawing"
    left = process.raw.pttl(key)
    passed = milliseconds(process) - before
    assert 1_000_000 - passed <= left <= 1_000_000


@pytest.mark.parametrize(
    "garbage", [b"", b"nan", b"inf", b"-inf", b"1e400", b"0x10", b"x" * 1000, b"-5", b"99999999999999999999"]
)
def test_garbage_in_a_bucket_counts_as_none(process: Running, server: RedisServer, garbage: bytes, told: Told) -> None:
    buckets = RedisBuckets(server, "stack")
    key = "stack:rate:alice:drawing"
    process.raw.set(key, garbage)
    buckets.give_back("alice", SLOW)
    assert [buckets.take("alice", SLOW).remaining for _ in range(3)] == [19, 18, 17]
    assert told.failures == []


def test_another_type_in_a_bucket_counts_as_none(process: Running, server: RedisServer, told: Told) -> None:
    buckets = RedisBuckets(server, "stack")
    process.raw.lpush("stack:rate:alice:drawing", "1")
    buckets.give_back("alice", SLOW)
    assert [buckets.take("alice", SLOW).remaining for _ in range(3)] == [19, 18, 17]
    assert told.failures == []


def test_a_failure_in_the_middle_wins_one_burst(
    process: Running, server: RedisServer, limits: LimitsWorld, told: Told
) -> None:
    limited = rates(server, limits)
    first = [limited.take("alice", SLOW).allowed for _ in range(25)]
    process.stop()
    then = [limited.take("alice", SLOW).allowed for _ in range(25)]
    assert (sum(first), sum(then)) == (20, 20)
    assert told.failures == ["ConnectionError"]


def test_a_flush_wins_one_burst(process: Running, server: RedisServer, limits: LimitsWorld) -> None:
    limited = rates(server, limits)
    first = [limited.take("alice", SLOW).allowed for _ in range(25)]
    process.raw.flushall()
    process.raw.script_flush()
    then = [limited.take("alice", SLOW).allowed for _ in range(25)]
    assert (sum(first), sum(then)) == (20, 20)


def test_an_admission_counts_in_redis_and_reserves_in_the_table(server: RedisServer, limits: LimitsWorld) -> None:
    admissions = RedisAdmissions(RedisBuckets(server, "stack"), limits.admissions, limits.quotas)
    one = RatePolicy("drawing", per_second=0.001, burst=1)
    decision = admissions.admit(one, limits.reservation("1"), Quota())
    assert decision is not None
    assert decision.remaining == 0
    assert limits.calls.take() == ["TransactWriteItems"]
    with pytest.raises(RateLimited):
        admissions.admit(one, limits.reservation("2"), Quota())
    assert limits.calls.take() == [], "a refusal reserves nothing"
    assert admissions.admit(None, limits.reservation("3"), Quota()) is None
    assert limits.items("RATE#") == []
    assert limits.quotas.committed("alice", MONTH).images == 2


def test_a_refused_reservation_does_not_count(server: RedisServer, limits: LimitsWorld) -> None:
    admissions = RedisAdmissions(RedisBuckets(server, "stack"), limits.admissions, limits.quotas)
    two = RatePolicy("drawing", per_second=0.001, burst=2)
    quota = Quota(images=1)
    admissions.admit(two, limits.reservation("1"), quota)
    for number in range(5):
        with pytest.raises(QuotaExceeded):
            admissions.admit(two, limits.reservation(f"2-{number}"), quota)
    assert admissions.admit(two, limits.reservation("3"), Quota()) is not None
    with pytest.raises(RateLimited):
        admissions.admit(two, limits.reservation("4"), Quota())


def test_an_admission_without_redis_is_one_transaction(
    process: Running, server: RedisServer, limits: LimitsWorld
) -> None:
    admissions = RedisAdmissions(RedisBuckets(server, "stack"), limits.admissions, limits.quotas)
    process.stop()
    decision = admissions.admit(SLOW, limits.reservation("1"), Quota())
    assert decision is not None
    assert decision.remaining == 19
    assert limits.calls.take() == ["TransactWriteItems"]
    assert len(limits.items("RATE#alice")) == 1
