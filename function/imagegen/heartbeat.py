"""A thread that keeps a lease alive while its holder works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beating(beat: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call `beat`, which must not raise, every so many seconds until the block ends."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            beat()

    threading.Thread(target=run, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        over.set()
