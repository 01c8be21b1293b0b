"""Format tables and numbers as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tools.bench.figures import Spread


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float | None, unit: str = "") -> str:
    """Return the value with three significant digits, or a dash for None."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}{unit}"


def dollars(value: float | None) -> str:
    """Return the value with five decimals, or a dash for None."""
    return "-" if value is None else f"{value:.5f}"


def spread(value: Spread | None) -> str:
    """Return the median with minimum and maximum in parentheses, or a dash for None."""
    if value is None:
        return "-"
    middle, least, most = (number(each) for each in (value.median, value.least, value.most))
    return middle if least == most else f"{middle} ({least}-{most})"
