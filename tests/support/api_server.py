"""An HTTP server on this machine in the place of a deployment: it returns what a test tells it, also what is broken."""

from __future__ import annotations

import copy
import hashlib
import json
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

STAGE = "/v1"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
JOB_ID = "01KAJ9X2S4QZ8W3V5N7M6K1H0G"
_EXAMPLES = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())["components"]["examples"]


@dataclass(frozen=True)
class Reply:
    """One response. `sends` may send less of the body than its Content-Length says."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sends: int | None = None
    holds: bool = False
    """Whether nothing is sent until the server stops."""
    resets: bool = False
    """Whether the connection is reset instead of a response."""


@dataclass(frozen=True)
class Received:
    """One request. Names of headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def example(name: str, **changes: Any) -> dict[str, Any]:
    """Return an example of the OpenAPI document."""
    value: dict[str, Any] = _EXAMPLES[name]["value"]
    return copy.deepcopy(value) | changes


def document(status: int, content: object, **headers: str) -> Reply:
    """Return a JSON response; `retry_after` is the header Retry-After."""
    kind = "application/json" if status < 400 else "application/problem+json"
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(content).encode(), {"content-type": kind, **given})


def problem(code: str, **headers: str) -> Reply:
    """Return the example of an error."""
    content = example(code)
    return document(content["status"], content, **headers)


HTML = Reply(200, b"<html>Sign in</html>", {"content-type": "text/html"})
PICTURE_REPLY = Reply(200, PICTURE, {"content-type": "image/png"})


class ApiServer:
    """Responds to each route with its replies in turn, and then with the last one again."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.arrived = Event()
        """Set by each request."""
        self.holding = Event()
        """Set when a reply that holds has been chosen."""
        self.stopped = Event()
        self.url = ""
        self._replies: dict[tuple[str, str], list[Reply]] = {}

    @property
    def api(self) -> str:
        return self.url + STAGE

    def on(self, method: str, path: str, *replies: Reply) -> None:
        """`path` is without the stage for routes of the API, and includes /images for pictures."""
        self._replies[method, path] = list(replies)

    def reply(self, request: Received) -> Reply:
        self.received.append(request)
        self.arrived.set()
        replies = self._replies.get((request.method, request.path.removeprefix(STAGE)), [Reply(404)])
        chosen = replies.pop(0) if len(replies) > 1 else replies[0]
        if chosen.holds:
            self.holding.set()
        return chosen

    def result(self, count: int = 1, **changes: Any) -> dict[str, Any]:
        """Return a result whose images this server has under /images/0.png and so on."""
        image = example("result")["images"][0] | {"bytes": len(PICTURE), "sha256": hashlib.sha256(PICTURE).hexdigest()}
        images = [image | {"url": f"{self.url}/images/{each}.png", "seed": 7 + each} for each in range(count)]
        for each in range(count):
            self.on("GET", f"/images/{each}.png", PICTURE_REPLY)
        return example("result", images=images, image_url=images[0]["url"]) | changes

    def job(self, name: str = "job_succeeded", **changes: Any) -> dict[str, Any]:
        """Return an example of a job; a succeeded one has images on this server."""
        result = {"result": self.result()} if name == "job_succeeded" else {}
        return example(name) | result | changes

    def paths(self, method: str) -> list[str]:
        return [each.path for each in self.received if each.method == method]


class _Server(ThreadingHTTPServer):
    def handle_error(self, *client: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that was killed
            super().handle_error(*client)


@contextmanager
def serving(
    server: ApiServer, reply: Callable[[Received], Reply] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[ApiServer]:
    """Run the server on a free port during the block; with `tls` as https://localhost."""

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # a client that was killed
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            _send(self, (reply or server.reply)(Received(self.command, self.path, headers, body)), server.stopped)

        do_GET = do_POST = do_DELETE = do_CONNECT = _respond  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    with _Server(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_port}"
        if tls:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
            server.url = f"https://localhost:{http.server_port}"
        thread = Thread(target=http.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            http.shutdown()
            thread.join()


def _send(handler: BaseHTTPRequestHandler, reply: Reply, stopped: Event) -> None:
    if reply.holds:
        stopped.wait()
    if reply.holds or reply.resets:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()
        return
    handler.send_response(reply.status)
    for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(reply.body[: reply.sends])
