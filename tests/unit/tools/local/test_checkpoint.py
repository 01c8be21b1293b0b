from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tools.local import checkpoint
from tools.local.access_log import Message, Receive, Send


async def nothing(_: Message, receive: Receive, send: Send) -> None:
    """An application that does nothing."""


async def receive() -> Message:
    return {}


async def send(_: Message) -> None:
    pass


def saves_after(*scopes: dict[str, Any]) -> int:
    """Return how often the state is saved if these requests arrive at once after the start."""
    saves: list[None] = []

    async def session() -> None:
        application = checkpoint.save_changes(nothing, lambda: saves.append(None))
        for scope in ({"type": "lifespan"}, *scopes):
            await application(scope, receive, send)
        for _ in range(10):  # let the saving task run until it waits
            await asyncio.sleep(0)

    asyncio.run(session())
    return len(saves)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_request_that_may_write_is_followed_by_a_save(method: str) -> None:
    assert saves_after({"type": "http", "method": method}) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_that_only_reads_is_not(method: str) -> None:
    assert saves_after({"type": "http", "method": method}) == 0


def test_a_burst_of_requests_is_saved_once() -> None:
    assert saves_after(*[{"type": "http", "method": "POST"}] * 50) == 1
