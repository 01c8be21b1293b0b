"""Schedules of EventBridge Scheduler and Application Auto Scaling: which ones AWS would refuse, or never match.

Covered: `rate(...)`, and `cron(...)` with AWS's six fields, from minutes to year, with their names, lists,
ranges, steps, ?, L, W and #. Not covered: hours that a change to summer time leaves out.
"""

from __future__ import annotations

import re
import zoneinfo
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

_LAST_YEAR: Final = 2199
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
Matches = Callable[[date], bool]


class WrongSchedule(Exception):
    """AWS would refuse the expression, or it never matches."""


@dataclass(frozen=True)
class Field:
    """A field of a cron expression with its bounds, and the names of its values from 1 on."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> set[int]:
        """Return the values of a list of `*`, numbers, names, ranges and steps. Raises WrongSchedule."""
        return {value for part in text.split(",") for value in self._part(part)}

    def value(self, text: str) -> int:
        """Return one value. Raises WrongSchedule."""
        upper = text.upper()
        if upper in self.names:
            return self.names.index(upper) + 1
        if not re.fullmatch(r"[0-9]{1,4}", text) or not self.low <= int(text) <= self.high:
            raise WrongSchedule(f"the {self.name} {text!r} is not one of {self.low} to {self.high}")
        return int(text)

    def _part(self, part: str) -> Iterator[int]:
        base, slash, step = part.partition("/")
        if slash and not re.fullmatch(r"[1-9][0-9]{0,3}", step):
            raise WrongSchedule(f"the {self.name} {part!r} has no step above 0")
        first, dash, last = base.partition("-")
        if base == "*":
            values = range(self.low, self.high + 1)
        elif dash:
            values = range(self.value(first), self.value(last) + 1)
            if not values:
                raise WrongSchedule(f"the {self.name} {base!r} ends before it begins")
        else:
            values = range(self.value(first), (self.high if slash else self.value(first)) + 1)
        yield from values[:: int(step) if slash else 1]


_MINUTES: Final = Field("minute", 0, 59)
_HOURS: Final = Field("hour", 0, 23)
_DAY_OF_MONTH: Final = Field("day of the month", 1, 31)
_MONTH: Final = Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK: Final = Field("day of the week", 1, 7, _DAYS)
_YEAR: Final = Field("year", 1970, _LAST_YEAR)


def require_match(expression: str, today: date) -> None:
    """Raise WrongSchedule unless the expression is a schedule that matches today or later."""
    kind, _, rest = expression.partition("(")
    if kind == "rate" and rest.endswith(")"):
        _require_rate(rest[:-1])
    elif kind == "cron" and rest.endswith(")"):
        _require_cron(rest[:-1].split(), today)
    else:
        raise WrongSchedule("it is neither cron(...) nor rate(...)")


def require_zone(name: str) -> None:
    """Raise WrongSchedule if there is no such time zone. Without a database of zones, every one passes."""
    known = zoneinfo.available_timezones()
    if known and name not in known:
        raise WrongSchedule("there is no such time zone; use a name such as Europe/Berlin")


def _require_rate(text: str) -> None:
    found = re.fullmatch(r"([0-9]+) (minute|hour|day)s?", text)
    if found is None:
        raise WrongSchedule("a rate is a number and minutes, hours or days, such as rate(5 minutes)")
    if int(found[1]) == 0:
        raise WrongSchedule("it never matches: the rate must be above 0")


def _require_cron(fields: list[str], today: date) -> None:
    if len(fields) != 6:
        raise WrongSchedule("cron has six fields: minutes hours day-of-month month day-of-week year")
    minutes, hours, day_of_month, month, day_of_week, year = fields
    _MINUTES.values(minutes)
    _HOURS.values(hours)
    if (day_of_month == "?") == (day_of_week == "?"):
        raise WrongSchedule("exactly one of day-of-month and day-of-week must be ?")
    years, months = _YEAR.values(year), _MONTH.values(month)
    matches = _any(day_of_month, _on_day_of_month) if day_of_week == "?" else _any(day_of_week, _on_day_of_week)
    if not any(matches(day) for day in _days(years, months, today)):
        raise WrongSchedule("it never matches: no such day is still to come")


def _days(years: set[int], months: set[int], today: date) -> Iterator[date]:
    for year in sorted(years):
        for month in sorted(months):
            for day in range(1, monthrange(year, month)[1] + 1):
                if (found := date(year, month, day)) >= today:
                    yield found


def _any(text: str, parse: Callable[[str], Matches]) -> Matches:
    parsed = [parse(part) for part in text.split(",")]
    return lambda day: any(matches(day) for matches in parsed)


def _on_day_of_month(part: str) -> Matches:
    if part in ("L", "LW"):
        return lambda day: day == _nearest_weekday(_last_day(day)) if part == "LW" else day == _last_day(day)
    if re.fullmatch(r"[0-9]{1,2}W", part):
        number = _DAY_OF_MONTH.value(part[:-1])
        return lambda day: number <= _last_day(day).day and day == _nearest_weekday(day.replace(day=number))
    values = _DAY_OF_MONTH.values(part)
    return lambda day: day.day in values


def _on_day_of_week(part: str) -> Matches:
    if part == "L":
        return lambda day: _day_of_week(day) == 7
    if len(part) > 1 and part.endswith("L"):
        last = _DAY_OF_WEEK.value(part[:-1])
        return lambda day: _day_of_week(day) == last and day.day > _last_day(day).day - 7
    if "#" in part:
        name, _, number = part.partition("#")
        weekday, which = _DAY_OF_WEEK.value(name), Field("week", 1, 5).value(number)
        return lambda day: _day_of_week(day) == weekday and (day.day - 1) // 7 + 1 == which
    values = _DAY_OF_WEEK.values(part)
    return lambda day: _day_of_week(day) in values


def _day_of_week(day: date) -> int:
    """Return 1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1


def _last_day(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _nearest_weekday(day: date) -> date:
    """Return the nearest day from Monday to Friday in the same month."""
    if day.isoweekday() == 6:
        return day - timedelta(1) if day.day > 1 else day + timedelta(2)
    if day.isoweekday() == 7:
        return day + timedelta(1) if day < _last_day(day) else day - timedelta(2)
    return day
