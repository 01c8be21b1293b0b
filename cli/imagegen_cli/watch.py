"""Progress on stderr: a bar on a terminal, else a line per stage, and nothing with --json."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from imagegen_cli.documents import Job
from imagegen_cli.output import note
from imagegen_cli.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

_PERCENT_PER_LINE: Final = 10


class Watch(Protocol):
    """Shows how far the work is."""

    def job(self, job: Job) -> None:
        """Show one look at the job."""

    def note(self, text: str) -> None:
        """Show a sentence."""


class _Silent:
    def job(self, job: Job) -> None: ...

    def note(self, text: str) -> None: ...


class _Lines:
    def __init__(self, what: str | None) -> None:
        self._stage: object = None
        if what:
            self.note(f"{what} ...")

    def job(self, job: Job) -> None:
        done = job.progress
        percent = _percent(job) // _PERCENT_PER_LINE
        stage = (job.status, done and done.phase, percent)
        if stage != self._stage:
            self._stage = stage
            self.note(describe(job))

    def note(self, text: str) -> None:
        note(False, text)


class _Bar:
    def __init__(self, what: str, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task(what, total=None)

    def job(self, job: Job) -> None:
        done = job.progress
        total, completed = (done.of, done.step) if done and done.step else (None, 0)
        self._bar.update(self._task, description=printable(describe(job)), total=total, completed=completed)

    def note(self, text: str) -> None:
        self._bar.console.print(printable(text), markup=False, highlight=False)


@contextmanager
def watching(what: str | None, as_json: bool) -> Iterator[Watch]:
    """Show the progress of `what` while the body runs; of None, which takes no time, only what it notes."""
    if as_json:
        yield _Silent()
    elif what and sys.stderr.isatty():
        with _terminal_bar() as bar:
            yield _Bar(what, bar)
    else:
        yield _Lines(what)


def _terminal_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    words = TextColumn("{task.description}", markup=False)
    return Progress(
        SpinnerColumn(), words, BarColumn(), TimeElapsedColumn(), console=Console(stderr=True), transient=True
    )


def describe(job: Job) -> str:
    """Return the job's status, and how far it is, in words."""
    return ", ".join([f"job {job.id}", job.status, *_parts(job)])


def _parts(job: Job) -> list[str]:
    done = job.progress
    if done is None:
        return []
    left = [] if done.eta_ms is None else [f"{done.eta_ms / 1000:.0f} s"]
    if done.phase == "queue":
        place = [] if done.position is None else [f"position {done.position}"]
        return place + [f"starts in {seconds}" for seconds in left]
    if done.phase == "step":
        return [f"step {done.step} of {done.of}", *(f"{seconds} left" for seconds in left)]
    return [done.phase]


def _percent(job: Job) -> int:
    done = job.progress
    return 100 * done.step // done.of if done and done.of else 0
