"""Markdown tables, printed row by row."""

from __future__ import annotations

from collections.abc import Sequence


def print_header(titles: Sequence[str]) -> None:
    """Print the titles and the line below them."""
    print_row(titles)
    print_row(["---"] * len(titles))


def print_row(cells: Sequence[object]) -> None:
    """Print a row at once: a run of an hour shows its results as they come."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
