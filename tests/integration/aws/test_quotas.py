"""Reservations and their settlement in the table of the template."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagegen.aws import table
from imagegen.aws.due_shards import due_shard
from imagegen.aws.quota_items import hand_over_writes
from imagegen.errors import (
    InternalError,
    LimitReached,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    RequestTooExpensive,
    StorageUnavailable,
)
from imagegen.limits.quota import Amount, Quota, Reservation
from imagegen.limits.usage import total
from tests.support.aws_calls import at_once
from tests.support.limits_world import MONTH, NOON, LimitsWorld, charge

TO_DECEMBER_S = 4 * 86_400 + 43_200


def try_to_reserve(limits: LimitsWorld, reservation: Reservation, quota: Quota) -> LimitReached | None:
    try:
        limits.quotas.reserve(reservation, quota)
    except LimitReached as error:
        return error
    return None


def test_64_threads_never_exceed_the_images_by_one(limits: LimitsWorld) -> None:
    quota = Quota(images=100)
    answers = at_once(64, lambda n: try_to_reserve(limits, limits.reservation(f"r-{n}", images=3), quota))
    refused = [error for error in answers if error is not None]
    assert len(answers) - len(refused) == 33
    assert {error.code for error in refused} == {"quota_exceeded"}
    assert {error.headers["Retry-After"] for error in refused} == {str(TO_DECEMBER_S)}
    assert "1 of 100 images are left, 3 are needed" in refused[0].detail
    assert limits.quotas.committed("alice", MONTH).images == 99
    assert len(limits.items("RESERVATION#")) == 33


def test_64_threads_never_exceed_the_dollars_by_one(limits: LimitsWorld) -> None:
    quota = Quota(usd=Decimal("0.1"))
    answers = at_once(64, lambda n: try_to_reserve(limits, limits.reservation(f"r-{n}", usd="0.00300001"), quota))
    assert answers.count(None) == 33
    assert limits.quotas.committed("alice", MONTH).usd == Decimal("0.09900033")


def test_64_threads_that_reserve_and_settle_end_at_the_sum_of_the_bills(limits: LimitsWorld) -> None:
    quota = Quota(images=40, usd=Decimal("0.5"))

    def draw(number: int) -> bool:
        reservation = limits.reservation(f"r-{number}")
        if try_to_reserve(limits, reservation, quota):
            return False
        return limits.quotas.settle(reservation, charge(usd=f"0.00{number:02}1") if number % 3 else None)

    at_once(64, draw)
    committed = limits.quotas.committed("alice", MONTH)
    assert committed == limits.billed() == total(limits.usage.usage("alice", MONTH, MONTH))
    assert 1 <= committed.images <= 40
    assert limits.items("RESERVATION#") == []


def test_64_threads_settle_a_reservation_once(limits: LimitsWorld) -> None:
    reservation = limits.reserve("r-1", images=4, usd="0.02")
    done = at_once(64, lambda _: limits.quotas.settle(reservation, charge(4, "0.015")))
    assert done.count(True) == 1
    assert limits.quotas.committed("alice", MONTH) == Amount.of(4, "0.015") == limits.billed()
    assert total(limits.usage.usage("alice", MONTH, MONTH)) == Amount.of(4, "0.015")


def test_a_settlement_and_the_sweepers_release_do_not_both_count(limits: LimitsWorld) -> None:
    reservations = [limits.reserve(f"r-{number}") for number in range(16)]
    limits.clock.pass_s(90)
    lost = limits.quotas.lost(100)
    assert {each.id for each in lost} == {each.id for each in reservations}

    def settle(number: int) -> bool:
        late = number % 2 == 0
        return limits.quotas.settle(
            reservations[number // 2] if late else lost[number // 2], charge() if late else None
        )

    assert at_once(32, settle).count(True) == 16
    committed = limits.quotas.committed("alice", MONTH)
    assert committed == limits.billed() == total(limits.usage.usage("alice", MONTH, MONTH))


def test_reserving_and_settling_are_one_call_each(limits: LimitsWorld) -> None:
    reservation = limits.reserve("r-1", quota=Quota(images=10, usd=Decimal(1), request_usd=Decimal(1)))
    assert limits.calls.take() == ["TransactWriteItems"]
    assert limits.quotas.settle(reservation, charge())
    assert limits.calls.take() == ["TransactWriteItems"]
    limits.quotas.committed("alice", MONTH)
    assert limits.calls.take() == ["GetItem"]


def test_what_is_too_expensive_is_refused_without_a_call(limits: LimitsWorld) -> None:
    for quota in (Quota(request_usd=Decimal("0.009")), Quota(images=0), Quota(usd=Decimal("0.009"))):
        with pytest.raises(RequestTooExpensive):
            limits.quotas.reserve(limits.reservation("r-1"), quota)
    assert limits.calls.take() == []
    assert limits.items("") == []


def test_failed_cancelled_and_blocked_work_costs_nothing(limits: LimitsWorld) -> None:
    assert limits.quotas.settle(limits.reserve("r-1", images=4))
    assert limits.quotas.committed("alice", MONTH) == Amount()
    assert limits.usage.usage("alice", MONTH, MONTH) == []
    assert limits.items("BILL#") == limits.items("RESERVATION#") == []


def test_cached_work_costs_nothing_but_has_a_bill(limits: LimitsWorld) -> None:
    assert limits.quotas.settle(limits.reserve("r-1"), charge(0, "0"))
    assert limits.quotas.committed("alice", MONTH) == Amount() == limits.billed()
    assert len(limits.items("BILL#")) == 1


def test_what_was_given_back_can_be_reserved_again(limits: LimitsWorld) -> None:
    quota = Quota(images=4)
    first = limits.reserve("r-1", 4, quota=quota)
    with pytest.raises(QuotaExceeded):
        limits.reserve("r-2", 1, quota=quota)
    limits.quotas.settle(first, charge(3))
    limits.reserve("r-3", 1, quota=quota)
    assert limits.quotas.committed("alice", MONTH).images == 4


def test_a_tenant_pays_at_most_what_was_reserved(limits: LimitsWorld) -> None:
    """A run that took longer than its reservation costs the owner of the deployment."""
    limits.quotas.settle(limits.reserve("r-1", 1, "0.01"), charge(1, "0.013"))
    assert limits.quotas.committed("alice", MONTH) == Amount.of(1, "0.01")
    assert limits.billed() == total(limits.usage.usage("alice", MONTH, MONTH)) == Amount.of(1, "0.01")
    assert [row["billed_ms"] for row in limits.items("BILL#")] == [1200], "the time is what it was"


def test_a_month_counts_what_was_reserved_in_it(limits: LimitsWorld) -> None:
    quota = Quota(images=1)
    limits.clock.pass_s(TO_DECEMBER_S - 1)
    november = limits.reserve("r-1", quota=quota)
    with pytest.raises(QuotaExceeded) as caught:
        limits.reserve("r-2", quota=quota)
    assert caught.value.headers["Retry-After"] == "1"
    limits.clock.pass_s(1)
    december = limits.reserve("r-3", quota=quota)
    limits.quotas.settle(november, charge())
    limits.quotas.settle(december)
    assert limits.quotas.committed("alice", "2026-11").images == 1
    assert limits.quotas.committed("alice", "2026-12").images == 0
    assert [usage.month for usage in limits.usage.usage("alice", "2026-11", "2026-12")] == ["2026-11"]


def test_tenants_share_nothing(limits: LimitsWorld) -> None:
    quota = Quota(images=1, open_jobs=1)
    for tenant in ("alice", "bob"):
        limits.quotas.reserve(limits.reservation("r-1", tenant=tenant, is_job=True), quota)
    assert limits.quotas.committed("carol", MONTH) == Amount()


def test_unfinished_jobs_are_counted_over_months_and_given_back(limits: LimitsWorld) -> None:
    quota = Quota(open_jobs=2)
    jobs = [limits.reservation(f"j-{number}", is_job=True) for number in range(64)]
    answers = at_once(64, lambda number: try_to_reserve(limits, jobs[number], quota))
    assert answers.count(None) == 2
    refused = next(error for error in answers if error is not None)
    assert isinstance(refused, QueueFull)
    assert limits.quotas.committed("alice", MONTH).images == 2, "a refused job holds no images"
    limits.clock.pass_s(TO_DECEMBER_S)
    assert try_to_reserve(limits, limits.reservation("j-64", is_job=True), quota) is not None
    accepted = jobs[answers.index(None)]
    assert limits.quotas.settle(accepted, charge())
    assert not limits.quotas.settle(accepted), "and only once"
    assert try_to_reserve(limits, limits.reservation("j-65", is_job=True), quota) is None
    assert try_to_reserve(limits, limits.reservation("r-66"), quota) is None, "a request that is no job needs no place"


def test_a_repeated_reservation_whose_reply_was_lost_counts_once(limits: LimitsWorld) -> None:
    reservation, quota = limits.reservation("r-1", images=3), Quota(images=3)
    limits.calls.lose_replies(1)
    with pytest.raises(StorageUnavailable):
        limits.quotas.reserve(reservation, quota)
    limits.quotas.reserve(reservation, quota)
    assert limits.quotas.committed("alice", MONTH).images == 3


def test_a_repeated_settlement_whose_reply_was_lost_counts_once(limits: LimitsWorld) -> None:
    reservation = limits.reserve("r-1")
    limits.calls.lose_replies(1)
    with pytest.raises(StorageUnavailable):
        limits.quotas.settle(reservation, charge())
    assert not limits.quotas.settle(reservation, charge())
    assert limits.quotas.committed("alice", MONTH) == limits.billed() == charge().amount


def test_conflicts_with_other_transactions_are_retried(limits: LimitsWorld) -> None:
    limits.calls.conflict(3)
    reservation = limits.reserve("r-1")
    limits.calls.conflict(3)
    assert limits.quotas.settle(reservation, charge())
    assert limits.calls.take() == ["TransactWriteItems"] * 8


def test_conflicts_that_do_not_end_are_429_and_hold_nothing(limits: LimitsWorld) -> None:
    limits.calls.conflict(10)
    with pytest.raises(RateLimited) as caught:
        limits.reserve("r-1")
    assert caught.value.headers["Retry-After"] == "1"
    assert limits.items("") == []


@pytest.mark.parametrize(
    ("quota", "error"), [(Quota(images=1), QuotaExceeded), (Quota(open_jobs=1), QueueFull), (Quota(), RateLimited)]
)
def test_a_conflict_does_not_hide_that_nothing_is_left(
    limits: LimitsWorld, quota: Quota, error: type[LimitReached], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry-After would be a second otherwise, and the caller would be refused again."""
    monkeypatch.setattr(table, "_LONGEST_PAUSE_S", 0.0)
    limits.quotas.reserve(limits.reservation("j-1", is_job=True), quota)
    limits.calls.conflict(10)
    with pytest.raises(error):
        limits.quotas.reserve(limits.reservation("j-2", is_job=True), quota)


@pytest.mark.parametrize("quota", [Quota(images=1), Quota(open_jobs=1)], ids=str)
def test_a_tenant_with_nothing_left_writes_no_row_on_which_others_settle(limits: LimitsWorld, quota: Quota) -> None:
    """Otherwise its requests keep finished work from being settled: a transaction that is refused conflicts, too."""
    first = limits.reservation("j-1", is_job=True)
    limits.quotas.reserve(first, quota)
    with pytest.raises(LimitReached):
        limits.quotas.reserve(limits.reservation("j-2", is_job=True), quota)
    limits.calls.take()
    for number in range(3, 6):
        with pytest.raises(LimitReached):
            limits.quotas.reserve(limits.reservation(f"j-{number}", is_job=True), quota)
    assert limits.calls.take() == ["GetItem"] * 3
    limits.quotas.settle(first)
    limits.quotas.reserve(limits.reservation("j-6", is_job=True), quota)
    limits.quotas.settle(limits.reservation("j-6", is_job=True))
    limits.calls.take()
    limits.quotas.reserve(limits.reservation("j-7", is_job=True), quota)
    assert limits.calls.take() == ["TransactWriteItems"]


def test_a_settlement_is_more_patient_than_a_reservation_because_the_work_is_done(
    limits: LimitsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_LONGEST_PAUSE_S", 0.0)
    reservation = limits.reserve("r-1")
    limits.calls.conflict(table.PATIENT_ATTEMPTS - 1)
    assert limits.quotas.settle(reservation, charge())


def test_a_settlement_that_conflicts_leaves_the_reservation_to_the_sweeper(
    limits: LimitsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_LONGEST_PAUSE_S", 0.0)
    reservation = limits.reserve("r-1")
    limits.calls.conflict(table.PATIENT_ATTEMPTS)
    with pytest.raises(StorageUnavailable):
        limits.quotas.settle(reservation, charge())
    assert limits.items("BILL#") == []
    limits.clock.pass_s(90)
    assert limits.quotas.lost(10) == [reservation]


def test_lost_reservations_are_found_when_their_time_has_passed_the_oldest_first(limits: LimitsWorld) -> None:
    first = limits.reserve("r-1", 2, "0.02")
    limits.clock.pass_s(1)
    second = limits.reservation("j-2", is_job=True)
    limits.quotas.reserve(second, Quota())
    limits.clock.pass_s(88.999)
    assert limits.quotas.lost(10) == []
    limits.clock.pass_s(1.001)
    assert limits.quotas.lost(10) == [first, second]
    assert limits.quotas.lost(1) == [first]
    for each in limits.quotas.lost(10):
        assert limits.quotas.settle(each)
    assert limits.quotas.lost(10) == []
    assert limits.quotas.committed("alice", MONTH) == Amount()
    assert [int(row["jobs"]) for row in limits.items("OPEN#")] == [0]


def test_of_many_lost_reservations_only_those_that_are_returned_are_read(limits: LimitsWorld) -> None:
    """Each of the five keys may list as many. To read them all would leave the sweeper no time to release one."""
    reservations = []
    for number in range(20):
        reservations.append(limits.reserve(f"r-{number}"))
        limits.clock.pass_s(1)
    assert len({due_shard("reserved", each.id) for each in reservations}) == 4
    limits.clock.pass_s(90)
    limits.calls.take()
    assert limits.quotas.lost(3) == reservations[:3]
    assert limits.calls.take().count("GetItem") == 3


def test_a_request_that_has_become_a_job_is_not_lost_although_the_index_is_late(limits: LimitsWorld) -> None:
    """by_due is eventually consistent: it still lists the request's time when the job's is days away."""
    held = limits.reserve("r-1")
    job = held.for_job(held.amount, held.lost_at + 7 * 86_400_000)
    query = limits.quotas._client.query
    limits.clock.pass_s(90)
    stale = query(
        TableName=limits.table, IndexName="by_due", KeyConditionExpression="due_shard = :shard",
        ExpressionAttributeValues={":shard": {"S": due_shard("reserved", "r-1")}},
    )  # fmt: skip
    for write in hand_over_writes(limits.table, held, job, Quota())[1:2]:
        limits.quotas._client.update_item(**write["Update"])
    limits.quotas._client.query = lambda **_: stale  # type: ignore[method-assign]
    assert len(stale["Items"]) == 1
    assert limits.quotas.lost(10) == []


def test_a_bill_without_its_settlement_is_a_fault_of_the_service(limits: LimitsWorld) -> None:
    limits.quotas.settle(limits.reserve("r-1"), charge())
    again = limits.reserve("r-1")
    with pytest.raises(InternalError):
        limits.quotas.settle(again, charge())


def test_no_row_is_deleted_by_its_age_or_listed_as_a_job(limits: LimitsWorld) -> None:
    job = limits.reservation("j-1", is_job=True)
    limits.quotas.reserve(job, Quota())
    rows = limits.items("")
    limits.quotas.settle(job, charge())
    rows += limits.items("")
    assert {str(row["pk"]).partition("#")[0] for row in rows} == {"QUOTA", "OPEN", "RESERVATION", "USAGE", "BILL"}
    assert not any("expires_at" in row or "job_id" in row for row in rows)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "fail", "repeat", "sweep"]),
        st.integers(0, 9),
        st.integers(1, 4),
        st.integers(0, 20),
    ),
    max_size=15,
)


@given(STEPS)
@settings(max_examples=12, derandomize=True, suppress_health_check=list(HealthCheck))
def test_in_any_order_nothing_is_lost_or_counted_twice(
    limits: LimitsWorld, steps: list[tuple[str, int, int, int]]
) -> None:
    """Against a model in plain Python. Each example is a tenant of its own."""
    limits.clock.now = NOON
    tenant = f"tenant-{len(limits.items('QUOTA#'))}"
    quota, bills = Quota(images=8, usd=Decimal("0.05")), Amount()
    open_: dict[str, Reservation] = {}
    ended: list[Reservation] = []
    for number, (step, which, images, cents) in enumerate(steps):
        if step == "reserve":
            new = limits.reservation(f"r-{number}", images, f"0.00{cents:02}", tenant=tenant)
            if try_to_reserve(limits, new, quota) is None:
                open_[new.id] = new
        elif step == "repeat" and ended:
            assert not limits.quotas.settle(ended[which % len(ended)], charge(images))
        elif step == "sweep":
            limits.clock.pass_s(90)
            for lost in limits.quotas.lost(100):
                assert limits.quotas.settle(lost)
                ended.append(open_.pop(lost.id))
            assert not open_
        elif step in ("settle", "fail") and open_:
            reservation = open_.pop(sorted(open_)[which % len(open_)])
            cost = charge(images, f"0.00{cents:02}").amount.at_most(reservation.amount)
            assert limits.quotas.settle(reservation, charge(cost.images, str(cost.usd)) if step == "settle" else None)
            ended.append(reservation)
            bills = Amount(bills.images + cost.images, bills.usd + cost.usd) if step == "settle" else bills
        held = [each.amount for each in open_.values()]
        committed = limits.quotas.committed(tenant, MONTH)
        assert committed.images == bills.images + sum(amount.images for amount in held) <= 8
        assert committed.usd == bills.usd + sum(amount.usd for amount in held) <= Decimal("0.05")
    assert total(limits.usage.usage(tenant, MONTH, MONTH)) == bills == limits.billed(tenant)
    limits.quotas.reserve(
        limits.reservation("last", 0, "0", tenant=tenant), Quota()
    )  # the next example has another tenant
    for each in [*open_.values(), limits.reservation("last", 0, "0", tenant=tenant)]:
        limits.quotas.settle(each)
