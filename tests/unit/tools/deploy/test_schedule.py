"""Schedules that AWS would refuse, or that never match."""

from __future__ import annotations

import zoneinfo
from datetime import date

import pytest

from tools.deploy.schedule import WrongSchedule, require_match, require_zone

TODAY = date(2026, 11, 27)  # a Friday


@pytest.mark.parametrize(
    "expression",
    [
        "rate(5 minutes)", "rate(1 hour)", "rate(2 days)",
        "cron(0 8 ? * MON-FRI *)", "cron(0 18 ? * mon-fri *)", "cron(*/5 * * * ? *)", "cron(0/15 8-18 ? * 2-6 *)",
        "cron(0 8 1,15 * ? *)", "cron(0 8 L * ? *)", "cron(0 8 LW * ? *)", "cron(0 8 3W * ? *)", "cron(0 8 ? * 6L *)",
        "cron(0 8 ? * L *)", "cron(0 8 ? * TUE#2 *)", "cron(0 8 ? * 3#5 *)", "cron(0 8 29 FEB ? *)",
        "cron(0 8 31 1/2 ? *)", "cron(0 8 27 11 ? 2026)", "cron(0 8 29 FEB ? 2027-2028)", "cron(59 23 31 DEC ? 2199)",
        "cron(0 8 30,31 FEB,APR ? *)",
    ],
)  # fmt: skip
def test_a_schedule_that_matches_is_accepted(expression: str) -> None:
    require_match(expression, TODAY)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "cron(0 8 30 FEB ? *)", "cron(0 8 31 4,6,9,11 ? *)", "cron(0 8 31W FEB ? *)", "cron(0 8 29 FEB ? 2027)",
        "cron(0 8 29 FEB ? 2100)", "cron(0 8 ? FEB MON#5 2027)",
        "cron(0 8 ? * MON-FRI 2020)", "cron(0 8 26 11 ? 2026)", "cron(0 8 ? 1-10 * 2026)",
    ],
)  # fmt: skip
def test_a_schedule_that_never_matches_is_refused(expression: str) -> None:
    with pytest.raises(WrongSchedule, match="it never matches"):
        require_match(expression, TODAY)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("every morning", "neither"), ("at(2027-01-01T00:00:00)", "neither"), ("cron(0 8 ? * MON-FRI *", "neither"),
        ("rate()", "a rate is a number"), ("rate(-1 hours)", "a rate is a number"), ("rate(5 weeks)", "a rate is a"),
        ("rate(1.5 hours)", "a rate is a number"), ("rate(5  minutes)", "a rate is a number"),
        ("cron(0 8 * * *)", "six fields"), ("cron(0 0 8 ? * MON-FRI *)", "six fields"), ("cron()", "six fields"),
        ("cron(0 8 * * * *)", "exactly one of"), ("cron(0 8 ? * ? *)", "exactly one of"),
        ("cron(60 8 ? * * *)", "the minute '60' is not one of 0 to 59"), ("cron(0 24 ? * * *)", "the hour '24'"),
        ("cron(0 8 0 * ? *)", "the day of the month '0'"), ("cron(0 8 32 * ? *)", "the day of the month '32'"),
        ("cron(0 8 ? 13 * *)", "the month '13'"), ("cron(0 8 ? * 0 *)", "the day of the week '0'"),
        ("cron(0 8 ? * MONDAY *)", "the day of the week 'MONDAY'"), ("cron(0 8 ? * MON#6 *)", "the week '6'"),
        ("cron(0 8 ? * * 1969)", "the year '1969'"), ("cron(0 8 ? * * 2200)", "the year '2200'"),
        ("cron(*/0 8 ? * * *)", "no step above 0"), ("cron(1,,2 8 ? * * *)", "the minute ''"),
        ("cron(0 18-8 ? * * *)", "ends before it begins"), ("cron(? 8 ? * * *)", "the minute '?'"),
        ("cron(0 8 ? ? * *)", "the month '?'"), ("cron(\u0661 8 ? * * *)", "the minute"),
    ],
)  # fmt: skip
def test_what_aws_would_refuse_says_why(expression: str, message: str) -> None:
    with pytest.raises(WrongSchedule) as raised:
        require_match(expression, TODAY)
    assert message in str(raised.value)


def test_a_zone_must_exist() -> None:
    if not zoneinfo.available_timezones():
        pytest.skip("this machine has no database of time zones")
    require_zone("UTC")
    require_zone("Europe/Berlin")
    with pytest.raises(WrongSchedule, match="no such time zone"):
        require_zone("Europe/Berln")
