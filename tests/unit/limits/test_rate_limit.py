"""GCRA against a token bucket in exact fractions, and what a client is told."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.errors import RateLimited
from imagegen.limits.rate_limit import Decision, RatePolicy, TatMemory, decide

NOW = 1_795_000_000_000_000
POLICIES = st.builds(
    RatePolicy,
    st.sampled_from(["drawing", "submitting", "looking"]),
    per_second=st.sampled_from([0.01, 0.3, 1, 3, 5, 20, 1000]),
    burst=st.integers(1, 50),
)
GAPS = st.lists(st.integers(0, 3_000_000), min_size=1, max_size=80)


def arrivals(gaps: list[int]) -> list[int]:
    return [NOW + sum(gaps[: count + 1]) for count in range(len(gaps))]


def run(policy: RatePolicy, times: list[int]) -> list[Decision]:
    decisions: list[Decision] = []
    tat: int | None = None
    for now in times:
        decision = decide(policy, tat, now)
        tat = decision.tat_us if decision.allowed else tat
        decisions.append(decision)
    return decisions


@given(POLICIES, GAPS)
def test_it_admits_what_a_token_bucket_admits(policy: RatePolicy, gaps: list[int]) -> None:
    tokens, last, expected = Fraction(policy.burst), NOW, []
    for now in arrivals(gaps):
        tokens = min(Fraction(policy.burst), tokens + Fraction(now - last, policy.interval_us))
        last = now
        expected.append(tokens >= 1)
        tokens -= expected[-1]
    assert [decision.allowed for decision in run(policy, arrivals(gaps))] == expected


@given(POLICIES, GAPS)
def test_a_client_that_obeys_retry_after_is_admitted(policy: RatePolicy, gaps: list[int]) -> None:
    tat: int | None = None
    for now in arrivals(gaps):
        decision = decide(policy, tat, now)
        if decision.allowed:
            assert decision.retry_after_s == 0
            tat = decision.tat_us
        else:
            assert decide(policy, tat, now + decision.retry_after_s * 1_000_000).allowed
            early = now + (decision.retry_after_s - 1) * 1_000_000
            assert decision.retry_after_s == 1 or not decide(policy, tat, early).allowed, "it is not longer than needed"


@given(POLICIES, GAPS)
def test_remaining_is_the_number_of_requests_that_would_be_admitted_now(policy: RatePolicy, gaps: list[int]) -> None:
    last = run(policy, arrivals(gaps))[-1]
    tat, more = last.tat_us, 0
    while (decision := decide(policy, tat, last.now_us)).allowed:
        tat, more = decision.tat_us, more + 1
    assert last.remaining == more


@given(POLICIES, GAPS)
def test_the_headers_are_structured_fields_of_whole_numbers(policy: RatePolicy, gaps: list[int]) -> None:
    for decision in run(policy, arrivals(gaps)):
        quota = re.fullmatch(r'"(\w+)";q=(\d+);w=(\d+)', decision.headers["RateLimit-Policy"])
        limit = re.fullmatch(r'"(\w+)";r=(\d+);t=(\d+)', decision.headers["RateLimit"])
        assert quota is not None
        assert limit is not None
        assert quota[1] == limit[1] == policy.route_class
        assert int(limit[2]) < int(quota[2]) == policy.burst
        assert int(quota[3]) >= 1
        if not decision.allowed:
            assert int(limit[2]) == 0
            assert decision.retry_after_s == int(limit[3]), "Retry-After is not before the end of the effective window"


def test_the_headers_of_a_bucket_that_refills_in_four_seconds() -> None:
    policy = RatePolicy("drawing", per_second=5, burst=20)
    decision = run(policy, [NOW] * 13)[-1]
    assert decision.headers == {"RateLimit-Policy": '"drawing";q=20;w=4', "RateLimit": '"drawing";r=7;t=3'}


def test_a_refusal_says_what_is_allowed_and_when_to_come_back() -> None:
    refused = run(RatePolicy("submitting", per_second=0.1, burst=2), [NOW, NOW, NOW])[-1]
    with pytest.raises(RateLimited) as caught:
        refused.require_allowed()
    assert (caught.value.code, caught.value.status, caught.value.retryable) == ("rate_limited", 429, True)
    assert caught.value.headers == {
        "Retry-After": "10",
        "RateLimit-Policy": '"submitting";q=2;w=20',
        "RateLimit": '"submitting";r=0;t=10',
    }
    assert "submitting: 0.1 per second and 2 at once" in caught.value.detail


def test_an_admission_raises_nothing() -> None:
    decide(RatePolicy("looking", per_second=1, burst=1), None, NOW).require_allowed()


def test_a_state_that_only_a_wrong_clock_can_have_written_counts_as_none() -> None:
    policy = RatePolicy("drawing", per_second=1, burst=5)
    eight_days = 8 * 24 * 3600 * 1_000_000
    assert decide(policy, NOW + eight_days, NOW) == decide(policy, None, NOW)
    assert not decide(policy, NOW + policy.beyond_us, NOW).allowed, "clocks may differ by a minute"


def test_a_limit_that_was_raised_takes_effect_at_once() -> None:
    strict = RatePolicy("drawing", per_second=1, burst=2)
    tat = run(strict, [NOW, NOW])[-1].tat_us
    assert not decide(strict, tat, NOW).allowed
    assert decide(RatePolicy("drawing", per_second=1, burst=3), tat, NOW).allowed


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (float("nan"), 1), (float("inf"), 1), (1, 0)])
def test_a_policy_that_admits_nothing_or_everything_is_rejected(per_second: float, burst: int) -> None:
    with pytest.raises(ValueError, match="drawing: expected 0 < per_second"):
        RatePolicy("drawing", per_second, burst)


@given(POLICIES, st.integers(0, 60_000_000), st.integers(0, 60_000_000))
def test_what_an_older_state_refuses_the_present_one_refuses(policy: RatePolicy, ahead: int, since: int) -> None:
    """So a process may refuse by what it has seen: the state in the table only grows."""
    seen = NOW + min(ahead, policy.capacity_us)
    stored = min(seen + since, NOW + policy.capacity_us)
    assert decide(policy, seen, NOW).allowed or not decide(policy, stored, NOW).allowed


def test_the_memory_keeps_buckets_apart_and_can_forget() -> None:
    memory, policy = TatMemory(), RatePolicy("drawing", per_second=1, burst=1)
    memory.learn("alice", policy, NOW + policy.interval_us)
    assert not memory.decide("alice", policy, NOW).allowed
    assert memory.decide("bob", policy, NOW).allowed
    assert memory.decide("alice", RatePolicy("looking", per_second=1, burst=1), NOW).allowed
    memory.learn("alice", policy, None)
    assert memory.decide("alice", policy, NOW).allowed


def test_the_memory_is_bounded() -> None:
    memory, policy = TatMemory(), RatePolicy("drawing", per_second=1, burst=1)
    for count in range(10_001):
        memory.learn(f"tenant-{count}", policy, NOW + policy.interval_us)
    assert memory.decide("tenant-0", policy, NOW).allowed, "forgotten: the table decides"
    assert not memory.decide("tenant-10000", policy, NOW).allowed
