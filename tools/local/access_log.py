"""One line for each request that a caller sends to the local stack: what arrived, what was answered, how long it took.

A line has no query, header or body: keys, signatures and prompts never reach the terminal.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any, Final

from tools.local.endpoint import PROBE_AGENT

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""

_PATH_ENDS: Final = 48
"""Characters that stay at each end of a long path: the route, and the name of an image."""
_SIGNATURE: Final = b"AWS4-HMAC-SHA256"
"""Authorization scheme of the AWS SDKs: the functions' own calls, which are no caller's requests."""


def log_requests(application: Application, write: Callable[[str], None]) -> Application:
    """Return a wrapper that calls `write` with one line per request of a caller."""

    async def logged(scope: Message, receive: Receive, send: Send) -> None:
        if not is_from_caller(scope):
            await application(scope, receive, send)
            return
        response: Message = {}

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.update(message)
            await send(message)

        started = time.monotonic()
        try:
            await application(scope, receive, note)
        finally:
            write(line(scope, response, time.monotonic() - started))

    return logged


def is_from_caller(scope: Message) -> bool:
    """Return whether this is a request to the API or for an image, not one of the stack's own."""
    if scope["type"] != "http" or scope["path"].startswith("/_ministack/"):
        return False
    headers = dict(scope["headers"])
    signed = headers.get(b"authorization", b"").startswith(_SIGNATURE)
    return not signed and headers.get(b"user-agent") != PROBE_AGENT.encode()


def line(scope: Message, response: Message, seconds: float) -> str:
    """Return the line: local time, method, path, status, milliseconds, ids. Without a response, the caller left."""
    headers = {name.lower(): value.decode("latin-1") for name, value in response.get("headers", [])}
    _, _, job_id = headers.get(b"location", "").rpartition("/jobs/")
    ids = [f"request {headers[b'x-request-id']}"] if b"x-request-id" in headers else []
    ids += [f"job {job_id}"] if job_id else []
    return " ".join(
        [
            f"{datetime.now():%H:%M:%S}",
            f"{scope['method']:6}",
            _path(scope),
            str(response.get("status", "disconnected")),
            f"{seconds * 1000:,.0f} ms",
            *ids,
        ]
    )


def _path(scope: Message) -> str:
    """Return the path as it was sent, a long one without its middle, with control characters escaped."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0].decode("ascii", "backslashreplace")
    path = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in path)
    return path if len(path) <= 2 * _PATH_ENDS else f"{path[:_PATH_ENDS]}...{path[-_PATH_ENDS:]}"
