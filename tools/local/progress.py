"""Progress on the terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show elapsed seconds on stderr while the body runs: updated in place on a terminal, else at start and end."""
    started = time.monotonic()
    done = threading.Event()
    in_place = sys.stderr.isatty()

    def show(line_end: str) -> None:
        start = "\r" if in_place else ""
        print(f"{start}{what} ... {time.monotonic() - started:.1f} s", end=line_end, file=sys.stderr, flush=True)

    def count() -> None:
        while not done.wait(0.1):
            show("")

    counter = threading.Thread(target=count, daemon=True)
    if in_place:
        counter.start()
    else:
        print(f"{what} ...", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        done.set()
        if in_place:
            counter.join()
        show("\n")
