"""stdout and stderr of a command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TextIO

from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.text import printable

_PIPE_WIDTH: Final = 200
"""Columns where there is no terminal: ids must not be cut."""


def show(as_json: bool, document: Any, text: Callable[[], str]) -> None:
    """Write the result to stdout: the document alone, or the text for people. A reader such as `head` may leave.

    Raises Failure if stdout cannot be written, as on a full disk.
    """
    try:
        print(json.dumps(document, indent=2) if as_json else printable(text()), flush=True)  # noqa: T201
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        _silence(sys.stdout)
        raise Failure(ExitCode.FILE, f"stdout cannot be written: {error.strerror}.") from error


def show_failure(as_json: bool, failure: Failure) -> None:
    """Write the failure to stderr; with --json in one line, and nothing else."""
    lines = [json.dumps(failure.document())] if as_json else [failure.text(), *map(printable, failure.hints)]
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201


def note(as_json: bool, text: str) -> None:
    """Write a remark for people to stderr, which a reader or a terminal may have left. The work goes on."""
    if as_json:
        return
    try:
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        _silence(sys.stderr)


def _silence(stream: TextIO) -> None:
    """Drop what is still written to the stream: Python flushes again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the rows under the columns' names, as wide as the terminal. The first column is never cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        shown.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
