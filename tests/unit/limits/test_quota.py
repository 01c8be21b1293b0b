from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.errors import RequestTooExpensive
from imagegen.limits.quota import (
    Amount,
    Quota,
    Reservation,
    month_of,
    queue_full,
    quota_exceeded,
    require_affordable,
)

NOVEMBER = datetime(2026, 11, 26, 12, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))


def ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def reserved(amount: Amount, instant: datetime = NOVEMBER) -> Reservation:
    return Reservation.made("alice", "r-1", amount, now_ms=ms(instant), lasts_s=90)


def retry_after(made: datetime, refused: datetime) -> int:
    error = quota_exceeded(reserved(Amount(1), made), Quota(images=1), Amount(1), ms(refused))
    return int(error.headers["Retry-After"])


@given(INSTANTS)
def test_retry_after_ends_in_the_next_month_and_no_second_later_than_needed(instant: datetime) -> None:
    now = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    after = retry_after(now, now)
    there = now + timedelta(seconds=after)
    assert (there.year * 12 + there.month) - (now.year * 12 + now.month) == 1
    assert there.day == 1
    assert month_of(ms(there)) > month_of(ms(now)) == month_of(ms(there - timedelta(seconds=1)))


@pytest.mark.parametrize(
    ("instant", "month", "seconds"),
    [
        (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), "2026-11", 1),
        (datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC), "2026-12", 1),
        (datetime(2027, 1, 1, tzinfo=UTC), "2027-01", 31 * 86_400),
        (datetime(2028, 2, 1, tzinfo=UTC), "2028-02", 29 * 86_400),
    ],
)
def test_months_are_those_of_utc(instant: datetime, month: str, seconds: int) -> None:
    assert (month_of(ms(instant)), retry_after(instant, instant)) == (month, seconds)


def test_a_request_of_a_month_that_has_ended_since_need_not_wait_for_the_next_one() -> None:
    """A request that becomes a job, or that waits for a busy row, may be refused after midnight."""
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    made = midnight - timedelta(seconds=20)
    assert retry_after(made, midnight - timedelta(milliseconds=1)) == 1
    assert retry_after(made, midnight) == retry_after(made, midnight + timedelta(seconds=8)) == 1


def test_images_that_do_not_fit_are_refused_until_the_first_of_the_month() -> None:
    quota = Quota(images=10, usd=Decimal(1))
    error = quota_exceeded(reserved(Amount(4)), quota, Amount(7, Decimal("0.1")), ms(NOVEMBER))
    assert (error.code, error.status, error.retryable) == ("quota_exceeded", 429, False)
    assert error.headers == {"Retry-After": str(4 * 86_400 + 43_200)}
    assert "3 of 10 images are left, 4 are needed" in error.detail
    assert "begins at 2026-12-01T00:00:00Z" in error.detail


def test_dollars_that_do_not_fit_are_named() -> None:
    quota = Quota(images=10, usd=Decimal("0.5"))
    error = quota_exceeded(reserved(Amount.of(1, 0.02)), quota, Amount(1, Decimal("0.49")), ms(NOVEMBER))
    assert "$0.01 of $0.5 are left, up to $0.02 are needed" in error.detail


def test_a_quota_that_was_lowered_below_what_is_used_has_nothing_left() -> None:
    assert "0 of 3 images" in quota_exceeded(reserved(Amount(1)), Quota(images=3), Amount(7), ms(NOVEMBER)).detail


@pytest.mark.parametrize(
    ("amount", "quota", "named"),
    [
        (Amount.of(1, "0.11"), Quota(request_usd=Decimal("0.1")), "may cost at most $0.1"),
        (Amount(4), Quota(images=3), "num_images_per_prompt is 4"),
        (Amount.of(1, "1.00000001"), Quota(usd=Decimal(1)), "a whole month is $1"),
    ],
)
def test_what_no_waiting_helps_is_too_expensive(amount: Amount, quota: Quota, named: str) -> None:
    with pytest.raises(RequestTooExpensive) as caught:
        require_affordable(amount, quota)
    assert (caught.value.code, caught.value.status, caught.value.retryable) == ("request_too_expensive", 422, False)
    assert named in caught.value.detail
    assert "Retry-After" not in caught.value.headers


def test_what_reaches_a_limit_exactly_is_affordable() -> None:
    require_affordable(Amount.of(3, "0.1"), Quota(3, Decimal("0.1"), Decimal("0.1"), 1))
    require_affordable(Amount.of(1000, 1000), Quota())


def test_a_full_queue_is_429() -> None:
    error = queue_full(Quota(open_jobs=7))
    assert (error.code, error.status, error.retryable) == ("queue_full", 429, True)
    assert int(error.headers["Retry-After"]) > 0
    assert "7 jobs" in error.detail


def test_dollars_are_rounded_up_to_the_step_of_bills() -> None:
    assert Amount.of(1, 0.000000011).usd == Decimal("0.00000002")
    assert Amount.of(1, 1.7e-07).usd == Decimal("0.00000017")


@pytest.mark.parametrize(("images", "usd"), [(-1, 0.0), (1, -0.1), (1, float("nan")), (1, float("inf"))])
def test_an_amount_is_finite_and_not_negative(images: int, usd: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        Amount.of(images, usd)


def test_the_smaller_of_each_part() -> None:
    assert Amount(3, Decimal("0.1")).at_most(Amount(2, Decimal("0.2"))) == Amount(2, Decimal("0.1"))


def test_a_reservation_belongs_to_the_month_in_which_it_was_made() -> None:
    last_second = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    reservation = Reservation.made("alice", "r-1", Amount(1), now_ms=ms(last_second), lasts_s=88.5)
    assert reservation.month == "2026-11"
    assert reservation.lost_at == ms(last_second) + 88_500
