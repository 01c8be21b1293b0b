"""Progress of a batch on stderr: a bar on a terminal, else a line per request, and nothing with --json."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from imagegen_cli.batch.entry import Entry, Totals
from imagegen_cli.output import note
from imagegen_cli.text import printable


class Progress(Protocol):
    """Shows what became of each line."""

    def ended(self, entry: Entry, entries: Sequence[Entry]) -> None:
        """Show a new entry; `entries` are all of the file's lines."""


class _Silent:
    def ended(self, entry: Entry, entries: Sequence[Entry]) -> None: ...


class _Lines:
    def __init__(self, total: int):
        self._total = total

    def ended(self, entry: Entry, entries: Sequence[Entry]) -> None:
        note(False, f"{len(entries)} of {self._total}: {describe(entry)}")


class _Bar:
    def __init__(self, total: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self.bar.add_task("", total=total, completed=done)

    def ended(self, entry: Entry, entries: Sequence[Entry]) -> None:
        if not entry.has_succeeded:
            self.bar.console.print(printable(describe(entry)), markup=False, highlight=False)
        totals = Totals.of(entries)
        failed = f", {totals.failed} failed" if totals.failed else ""
        self.bar.update(self._task, completed=len(entries), description=f"${totals.usd:.4f}{failed}")


@contextmanager
def progress(total: int, done: int, as_json: bool) -> Iterator[Progress]:
    """Show the progress of a batch of `total` lines, `done` of them by earlier runs, while the body runs."""
    if as_json:
        yield _Silent()
    elif sys.stderr.isatty():
        shown = _Bar(total, done)
        with shown.bar:
            yield shown
    else:
        yield _Lines(total)


def describe(entry: Entry) -> str:
    """Return the entry in words."""
    if entry.error is not None:
        return f"line {entry.line} failed, {entry.error.code}: {entry.error.detail}"
    cached = ", from the cache" if entry.cached else ""
    return f"line {entry.line}: {', '.join(entry.files)}, ${entry.usd:.8f}{cached}"
