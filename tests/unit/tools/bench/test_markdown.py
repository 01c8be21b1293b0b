"""Number and table formats."""

from __future__ import annotations

from tools.bench.figures import Spread
from tools.bench.markdown import number, spread, table


def test_numbers_have_three_significant_digits() -> None:
    assert [number(value) for value in (None, 0.01234, 1.234, 12.34, 1234.5)] == ["-", "0.012", "1.23", "12.3", "1,234"]


def test_a_spread_shows_its_range_only_if_values_differ() -> None:
    assert spread(Spread.of([3.0, 1.0, 2.0])) == "2.00 (1.00-3.00)"
    assert spread(Spread.of([3.0])) == "3.00"


def test_a_table_has_a_header_row() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
