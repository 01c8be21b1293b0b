"""Rate limits in the table of the template: exact under threads, and the number of AWS calls."""

from __future__ import annotations

import pytest

from imagegen.errors import RateLimited, StorageUnavailable
from imagegen.limits.rate_limit import Decision, RatePolicy
from tests.support.aws_calls import at_once
from tests.support.limits_world import NOON, LimitsWorld

POLICY = RatePolicy("drawing", per_second=5, burst=20)


def admitted(decisions: list[Decision]) -> int:
    return sum(decision.allowed for decision in decisions)


def test_64_processes_at_50_times_the_limit_admit_exactly_the_limit(limits: LimitsWorld) -> None:
    processes = [limits.rates_of_another_process() for _ in range(64)]
    burst = at_once(64, lambda number: [processes[number].take("alice", POLICY) for _ in range(16)])
    assert sum(map(admitted, burst)) == 20
    for _ in range(3):
        limits.clock.pass_s(2)
        later = at_once(64, lambda number: [processes[number].take("alice", POLICY) for _ in range(8)])
        assert sum(map(admitted, later)) == 10, "five per second for two seconds"
    decisions = 64 * (16 + 3 * 8)
    assert len(limits.calls.take()) <= decisions, "most are refused by what each process has seen"


def test_64_threads_of_one_process_admit_exactly_the_limit(limits: LimitsWorld) -> None:
    decisions = at_once(64, lambda _: limits.rates.take("alice", POLICY))
    assert admitted(decisions) == 20
    assert sorted(decision.remaining for decision in decisions if decision.allowed) == list(range(20)), "each is told"


def test_a_decision_is_one_call_whether_the_bucket_is_full_or_not(limits: LimitsWorld) -> None:
    limits.rates.take("alice", POLICY)
    assert limits.calls.take() == ["UpdateItem"], "the first request of a tenant"
    for _ in range(5):
        limits.rates.take("alice", POLICY)
    assert limits.calls.take() == ["UpdateItem"] * 5, "while the bucket fills up again"
    limits.clock.pass_s(60)
    limits.rates.take("alice", POLICY)
    assert limits.calls.take() == ["UpdateItem"], "after it is full again"


def test_a_refusal_is_remembered_until_retry_after(limits: LimitsWorld) -> None:
    policy = RatePolicy("drawing", per_second=0.5, burst=1)
    assert limits.rates.take("alice", policy).allowed
    limits.calls.take()
    refused = [limits.rates.take("alice", policy) for _ in range(50)]
    assert admitted(refused) == 0
    assert limits.calls.take() == [], "no call"
    limits.clock.pass_s(refused[0].retry_after_s)
    assert limits.rates.take("alice", policy).allowed
    assert limits.calls.take() == ["UpdateItem"]


def test_another_process_needs_one_call_to_learn_that_it_must_refuse(limits: LimitsWorld) -> None:
    policy = RatePolicy("drawing", per_second=0.5, burst=1)
    limits.rates.take("alice", policy)
    limits.calls.take()
    other = limits.rates_of_another_process()
    assert [other.take("alice", policy).allowed for _ in range(10)] == [False] * 10
    assert limits.calls.take() == ["UpdateItem"]


def test_processes_that_take_turns_need_at_most_two_calls(limits: LimitsWorld) -> None:
    processes = [limits.rates_of_another_process() for _ in range(3)]
    for turn in range(18):
        limits.calls.take()
        assert processes[turn % 3].take("alice", POLICY).remaining == 19 - turn
        assert len(limits.calls.take()) <= 2


def test_tenants_and_classes_have_buckets_of_their_own(limits: LimitsWorld) -> None:
    drawing, looking = (RatePolicy(each, per_second=1, burst=1) for each in ("drawing", "looking"))
    assert limits.rates.take("alice", drawing).allowed
    assert not limits.rates.take("alice", drawing).allowed
    assert limits.rates.take("alice", looking).allowed
    assert limits.rates.take("bob", drawing).allowed


def test_one_wrong_clock_does_not_lock_a_tenant_out(limits: LimitsWorld) -> None:
    ahead = limits.rates_of_another_process()
    limits.clock.pass_s(8 * 24 * 3600)
    assert ahead.take("alice", POLICY).allowed
    limits.clock.now = NOON
    decision = limits.rates.take("alice", POLICY)
    assert decision.allowed
    assert decision.remaining == 19


def test_a_row_expires_after_its_bucket_is_full(limits: LimitsWorld) -> None:
    limits.rates.take("alice", POLICY)
    (row,) = limits.items("RATE#")
    assert row["pk"] == "RATE#alice#drawing"
    assert row["tenant"] == "alice"
    assert row["expires_at"] * 1_000_000 > row["tat"]
    assert "job_id" not in row, "index by_tenant lists jobs only"


def test_a_row_that_expired_is_a_full_bucket(limits: LimitsWorld) -> None:
    limits.rates.take("alice", POLICY)
    limits.rates.take("alice", POLICY)
    limits.rates._client.delete_item(
        TableName=limits.table, Key={"pk": {"S": "RATE#alice#drawing"}, "sk": {"S": "RATE"}}
    )
    assert limits.rates.take("alice", POLICY).remaining == 19


def test_a_repeated_request_whose_reply_was_lost_counts_twice(limits: LimitsWorld) -> None:
    limits.calls.lose_replies(1)
    try:
        limits.rates.take("alice", POLICY)
    except StorageUnavailable:
        decision = limits.rates.take("alice", POLICY)
        assert decision.remaining == 18
    else:
        raise AssertionError("the reply was not lost")


def test_conflicts_with_transactions_on_the_bucket_are_retried(limits: LimitsWorld) -> None:
    limits.calls.conflict(5, "UpdateItem")
    assert limits.rates.take("alice", POLICY).remaining == 19
    assert limits.calls.take() == ["UpdateItem"] * 6


def test_conflicts_that_do_not_end_are_429(limits: LimitsWorld) -> None:
    limits.calls.conflict(10, "UpdateItem")
    with pytest.raises(RateLimited) as caught:
        limits.rates.take("alice", POLICY)
    assert caught.value.headers == {"Retry-After": "1"}
    assert limits.items("") == []
