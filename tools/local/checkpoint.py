"""Save MiniStack's state while it runs: MiniStack itself saves only on an orderly shutdown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from tools.local.access_log import Application, Message, Receive, Send

INTERVAL_S: Final = 2.0
"""At least this long between two saves: what a power cut may lose."""
_SHARE_OF_TIME: Final = 0.05
"""No request is answered during a save, so saves of a large state are made less often."""


def save_changes(application: Application, save: Callable[[], None]) -> Application:
    """Return a wrapper that calls `save` on the event loop, at most every INTERVAL_S, after requests that write."""
    changed = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []  # the event loop keeps no reference

    async def saving(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            tasks.append(asyncio.create_task(_save_repeatedly(changed, save)))
        await application(scope, receive, send)
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            changed.set()

    return saving


async def _save_repeatedly(changed: asyncio.Event, save: Callable[[], None]) -> None:
    while True:
        await changed.wait()
        changed.clear()
        started = time.monotonic()
        save()
        await asyncio.sleep(max(INTERVAL_S, (time.monotonic() - started) / _SHARE_OF_TIME))
