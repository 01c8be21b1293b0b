"""Ages of people in a prompt. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_ENGLISH: Final = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_HAN_DIGITS: Final = {digit: value for value, digit in enumerate("一二三四五六七八九", 1)} | {"两": 2, "十": 10}
_AGE: Final = re.compile(
    rf"""
    \b (?P<years> \d{{1,2}} | {"|".join(_ENGLISH)} ) [\s-]{{0,2}}
        (?: (?: years? | yrs? | y ) [\s./-]{{0,2}} (?: olds? | of\ age | o ) \b | (?: yo | yos ) \b )
    | \b (?: aged | age | age\ of | aged\ about | turns | turned ) [\s:]{{1,2}}
        (?P<aged> \d{{1,2}} | {"|".join(_ENGLISH[2:])} ) \b  # not `aged one-piece` or `new age two tone`
    | (?P<han> \d{{1,2}} | [一二两三四五六七八九十]{{1,3}} ) \s{{0,2}} 周? \s{{0,2}} [岁歲嵗歳]
    """,
    re.VERBOSE,
)


def ages(text: str) -> Iterator[int]:
    """Yield the ages in years that a normalized text names, such as `12-year-old`, `aged nine`, `7yo` or `十二岁`."""
    for match in _AGE.finditer(text):
        written = match["years"] or match["aged"] or match["han"]
        if written.isdecimal():
            yield int(written)
        elif written in _ENGLISH:
            yield _ENGLISH.index(written) + 1
        else:
            yield _han_number(written)


def _han_number(written: str) -> int:
    tens, is_above_ten, ones = written.rpartition("十")
    if not is_above_ten:
        return _HAN_DIGITS[written[-1]]
    return 10 * (_HAN_DIGITS[tens[-1]] if tens else 1) + (_HAN_DIGITS[ones[-1]] if ones else 0)
