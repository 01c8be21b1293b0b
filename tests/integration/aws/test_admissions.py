"""A rate decision and a reservation in one transaction: at most two AWS calls for a request that draws."""

from __future__ import annotations

from decimal import Decimal

import boto3
import pytest

from imagegen.aws.key_ends import key_end
from imagegen.errors import (
    InvalidCredentials,
    LimitReached,
    QuotaExceeded,
    RateLimited,
    RequestTooExpensive,
    StorageUnavailable,
)
from imagegen.limits.quota import Quota
from imagegen.limits.rate_limit import RatePolicy
from tests.support.aws_calls import at_once
from tests.support.limits_world import MONTH, LimitsWorld, charge

POLICY = RatePolicy("drawing", per_second=5, burst=20)
QUOTA = Quota(images=1000, usd=Decimal(10), request_usd=Decimal(1))


def test_a_request_that_draws_needs_two_calls_in_all(limits: LimitsWorld) -> None:
    for number in range(30):
        reservation = limits.reservation(f"r-{number}")
        decision = limits.admissions.admit(POLICY, reservation, QUOTA)
        assert decision is not None
        assert decision.headers["RateLimit-Policy"] == '"drawing";q=20;w=4'
        assert limits.quotas.settle(reservation, charge())
        assert limits.calls.take() == ["TransactWriteItems", "TransactWriteItems"]
        limits.clock.pass_s(0.2 if number < 20 else 30)


def test_a_request_that_is_refused_needs_at_most_one(limits: LimitsWorld) -> None:
    policy, exhausted = RatePolicy("drawing", per_second=1, burst=1), Quota(images=1)
    limits.admissions.admit(policy, limits.reservation("r-1"), exhausted)
    limits.calls.take()
    with pytest.raises(RateLimited):
        limits.admissions.admit(policy, limits.reservation("r-2"), exhausted)
    assert limits.calls.take() == []
    with pytest.raises(RateLimited):
        limits.admissions_of_another_process().admit(policy, limits.reservation("r-3"), QUOTA)
    assert limits.calls.take() == ["TransactWriteItems"]
    limits.clock.pass_s(10)
    with pytest.raises(QuotaExceeded):
        limits.admissions.admit(policy, limits.reservation("r-4"), exhausted)
    assert limits.calls.take() == ["TransactWriteItems"]
    with pytest.raises(RequestTooExpensive):
        limits.admissions.admit(policy, limits.reservation("r-5", images=2), exhausted)
    assert limits.calls.take() == []


@pytest.mark.parametrize(("burst", "images", "admitted"), [(20, 1000, 20), (50, 15, 15)])
def test_64_processes_exceed_neither_rate_nor_quota(
    limits: LimitsWorld, burst: int, images: int, admitted: int
) -> None:
    policy, quota = RatePolicy("drawing", per_second=1, burst=burst), Quota(images=images)
    processes = [limits.admissions_of_another_process() for _ in range(64)]

    def draw(number: int) -> str:
        try:
            processes[number].admit(policy, limits.reservation(f"r-{number}"), quota)
        except LimitReached as error:
            return error.code
        return "admitted"

    answers = at_once(64, draw)
    assert answers.count("admitted") == admitted == len(limits.items("RESERVATION#"))
    assert set(answers) - {"admitted"} <= {"rate_limited", "quota_exceeded"}
    assert limits.quotas.committed("alice", MONTH).images == admitted


def test_a_request_that_the_quota_refuses_does_not_count_for_the_rate(limits: LimitsWorld) -> None:
    policy = RatePolicy("drawing", per_second=1, burst=2)
    limits.admissions.admit(policy, limits.reservation("r-1"), Quota(images=1))
    for _ in range(5):
        with pytest.raises(QuotaExceeded):
            limits.admissions.admit(policy, limits.reservation("r-2"), Quota(images=1))
    limits.admissions.admit(policy, limits.reservation("r-3"), Quota(images=2))


def test_a_request_that_the_rate_refuses_reserves_nothing(limits: LimitsWorld) -> None:
    policy = RatePolicy("drawing", per_second=1, burst=1)
    limits.admissions.admit(policy, limits.reservation("r-1"), QUOTA)
    with pytest.raises(RateLimited):
        limits.admissions_of_another_process().admit(policy, limits.reservation("r-2"), QUOTA)
    assert [row["pk"] for row in limits.items("RESERVATION#")] == ["RESERVATION#alice#r-1"]


def test_rate_decisions_with_and_without_a_reservation_share_a_bucket(limits: LimitsWorld) -> None:
    policy = RatePolicy("drawing", per_second=1, burst=2)
    assert limits.rates.take("alice", policy).allowed
    limits.admissions.admit(policy, limits.reservation("r-1"), QUOTA)
    assert not limits.rates.take("alice", policy).allowed


def test_a_repeated_admission_whose_reply_was_lost_counts_once(limits: LimitsWorld) -> None:
    policy, reservation = RatePolicy("drawing", per_second=1, burst=2), limits.reservation("r-1")
    limits.calls.lose_replies(1)
    with pytest.raises(StorageUnavailable):
        limits.admissions.admit(policy, reservation, QUOTA)
    limits.admissions.admit(policy, reservation, QUOTA)
    assert limits.quotas.committed("alice", MONTH).images == 1
    limits.admissions.admit(policy, limits.reservation("r-2"), QUOTA)
    with pytest.raises(RateLimited):
        limits.admissions.admit(policy, limits.reservation("r-3"), QUOTA)


def test_conflicts_that_do_not_end_are_429(limits: LimitsWorld) -> None:
    limits.calls.conflict(10)
    with pytest.raises(RateLimited):
        limits.admissions.admit(POLICY, limits.reservation("r-1"), QUOTA)
    assert limits.items("") == []


# -- a key that the authorizer has only remembered ---------------------------------------------------------------------


def end_key(limits: LimitsWorld, ends_in_s: int = 0) -> None:
    """Write the end of alice's key k-1, as a revocation does."""
    ends_at = limits.clock() // 1000 + ends_in_s
    boto3.client("dynamodb").put_item(**key_end(limits.table, "alice", "k-1", ends_at))
    limits.calls.take()


@pytest.mark.parametrize("policy", [POLICY, None])
def test_a_key_without_an_end_changes_nothing(limits: LimitsWorld, policy: RatePolicy | None) -> None:
    limits.admissions.admit(policy, limits.reservation("r-1"), QUOTA, "k-1")
    end_key(limits, ends_in_s=1)
    limits.admissions.admit(policy, limits.reservation("r-2"), QUOTA, "k-1")
    assert limits.calls.take() == ["TransactWriteItems"]
    assert limits.quotas.committed("alice", MONTH).images == 2


@pytest.mark.parametrize("quota", [QUOTA, Quota(), Quota(images=1)])
@pytest.mark.parametrize("policy", [POLICY, RatePolicy("drawing", per_second=1, burst=1), None])
def test_a_key_that_has_ended_is_refused_before_anything_is_counted_or_held(
    limits: LimitsWorld, policy: RatePolicy | None, quota: Quota
) -> None:
    """Also if rate or quota would refuse the request: another process has used them up."""
    limits.admissions_of_another_process().admit(policy, limits.reservation("r-1"), quota)
    end_key(limits)
    before = limits.items("")
    for key_id in ("k-1", "k-1"):
        with pytest.raises(InvalidCredentials):
            limits.admissions.admit(policy, limits.reservation("r-2"), quota, key_id)
    assert limits.items("") == before
    assert "GetItem" not in limits.calls.take()


def test_another_key_of_the_tenant_and_the_key_of_another_tenant_go_on(limits: LimitsWorld) -> None:
    end_key(limits)
    limits.admissions.admit(POLICY, limits.reservation("r-1"), QUOTA, "k-2")
    limits.admissions.admit(POLICY, limits.reservation("r-2", tenant="bob"), QUOTA, "k-1")


@pytest.mark.parametrize("key_id", [None, "k-1"])
def test_with_a_key_rate_and_quota_refuse_as_without(limits: LimitsWorld, key_id: str | None) -> None:
    policy, exhausted = RatePolicy("drawing", per_second=1, burst=2), Quota(images=1)
    limits.admissions_of_another_process().admit(policy, limits.reservation("r-1"), exhausted, key_id)
    with pytest.raises(QuotaExceeded):
        limits.admissions.admit(policy, limits.reservation("r-2"), exhausted, key_id)
    with pytest.raises(QuotaExceeded):
        limits.admissions.admit(None, limits.reservation("r-2"), exhausted, key_id)
    limits.calls.take()
    limits.admissions_of_another_process().admit(policy, limits.reservation("r-3"), QUOTA, key_id)
    assert limits.calls.take() == ["TransactWriteItems"] * 2, "the bucket was not as the process had seen it"
    with pytest.raises(RateLimited):
        limits.admissions_of_another_process().admit(policy, limits.reservation("r-4"), QUOTA, key_id)


def test_an_admission_that_was_repeated_after_a_lost_reply_counts_once_with_a_key(limits: LimitsWorld) -> None:
    reservation = limits.reservation("r-1")
    limits.calls.lose_replies(1)
    with pytest.raises(StorageUnavailable):
        limits.admissions.admit(POLICY, reservation, QUOTA, "k-1")
    limits.admissions.admit(POLICY, reservation, QUOTA, "k-1")
    assert limits.quotas.committed("alice", MONTH).images == 1
