"""Progress on the terminal."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_FRAME_S: Final = 0.1
_CLEAR: Final = "\r\x1b[K"
_PERCENT_PER_LINE: Final = 10


class Progress:
    """A line on stderr: what is being done, for how long, and how far it is."""

    def __init__(self, what: str):
        self.in_place = sys.stderr.isatty()
        """Whether the line is rewritten; otherwise each stage is a line of its own."""
        self._what = what
        self._detail = ""
        self._stage: object = None
        self._started = time.monotonic()

    def show_job(self, job: dict[str, Any]) -> None:
        """Show how far the job is. Off a terminal: a line per status, phase and ten percent."""
        done = job.get("progress") or {}
        stage = (job["status"], done.get("phase"), done.get("percent", 0) // _PERCENT_PER_LINE)
        is_new, self._stage, self._detail = stage != self._stage, stage, _describe(job)
        if is_new and not self.in_place:
            self.write("\n")

    def write(self, end: str = "") -> None:
        """Write the line as it is now."""
        detail = f", {self._detail}" if self._detail else ""
        line = f"{self._what} ... {time.monotonic() - self._started:.1f} s{detail}"
        if self.in_place:  # a line that wraps could not be rewritten
            line = _CLEAR + line[: shutil.get_terminal_size().columns - 1]
        print(line, end=end, file=sys.stderr, flush=True)


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show the progress while the body runs: in place on a terminal, else at the start, per stage and at the end."""
    shown = Progress(what)
    done = threading.Event()

    def rewrite() -> None:
        while not done.wait(_FRAME_S):
            shown.write()

    writer = threading.Thread(target=rewrite, daemon=True)
    if shown.in_place:
        writer.start()
    else:
        print(f"{what} ...", file=sys.stderr, flush=True)
    try:
        yield shown
    finally:
        done.set()
        if shown.in_place:
            writer.join()
        shown.write("\n")


def _describe(job: dict[str, Any]) -> str:
    done = job.get("progress")
    return ", ".join([job["status"], *(_parts(done) if done else []), f"job {job['id']}"])


def _parts(done: dict[str, Any]) -> list[str]:
    """Return how far a queued or running job is, in words."""
    left = [f"{done['eta_ms'] / 1000:.0f} s"] if done["eta_ms"] is not None else []
    match done["phase"]:
        case "queue":
            place = [f"position {done['position']}"] if done["position"] is not None else []
            return place + [f"starts in {seconds}" for seconds in left]
        case "step":
            return [f"step {done['step']} of {done['of']}", f"{done['percent']} %", *(f"{each} left" for each in left)]
        case phase:
            return [phase]
