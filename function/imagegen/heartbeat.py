"""A background thread that renews a lease while its holder works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def heartbeat(renew: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call `renew` every `every_s` seconds until the block ends. `renew` must not raise.

    The end of the block does not wait for a call that is under way: `renew` must do nothing once the lease is released.
    """
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(every_s):
            renew()

    threading.Thread(target=run, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        stopped.set()
