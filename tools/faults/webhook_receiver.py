"""A receiver of webhooks on 127.0.0.1 that speaks TLS and behaves as badly as it is told to."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import Any

import trustme

from imagegen.targets import Courier, Limits

HOST = "hooks.example.com"
LOOPBACK = IPv4Address("127.0.0.1")
PATIENT = Limits(connect_s=10.0, silence_s=20.0, total_s=30.0)
"""For answers that come: a busy machine is no fault."""
IMPATIENT = Limits(connect_s=1.0, silence_s=0.3, total_s=0.5)
"""For those that never come or never end."""
_SILENT_S = 10
_ENDLESS_S = 45
"""What never comes, and what never ends, gives up after all, or a sender without limits would hang."""


@dataclass(frozen=True)
class Request:
    """What arrived; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[["_Handler", Request], None]


def status(code: int, **headers: str) -> Behaviour:
    def answer(handler: _Handler, _: Request) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def silence(handler: _Handler, _: Request) -> None:
    """Take the request and say nothing until the sender has gone."""
    handler.wait_for_the_end()


def reset(handler: _Handler, _: Request) -> None:
    """End the connection with RST."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def drip(handler: _Handler, _: Request) -> None:
    """A byte now and then, each within the time that a silence may take: an answer that never ends."""
    handler.go_on_with(b"HTTP/1.1 200 OK\r\nx-slow: ", b"x", pause_s=0.02)


def flood(handler: _Handler, _: Request) -> None:
    """A success with a body that never ends, as fast as it goes."""
    handler.go_on_with(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n", b"x" * 65536)


def endless_headers(handler: _Handler, _: Request) -> None:
    handler.go_on_with(b"HTTP/1.1 200 OK\r\n", b"x-header: " + b"x" * 1000 + b"\r\n")


def endless_continue(handler: _Handler, _: Request) -> None:
    handler.go_on_with(b"", b"HTTP/1.1 100 Continue\r\n\r\n")


def garbage(handler: _Handler, _: Request) -> None:
    handler.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    connection: Any

    def setup(self) -> None:
        self.request.settimeout(_SILENT_S)
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender's time was over in the middle
            return
        received = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.requests.append(received)
        self.close_connection = True
        self.server.behaviour(self, received)

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass

    def wait_for_the_end(self) -> None:
        try:
            self.connection.recv(1)
        except TimeoutError:
            self.server.outwaited += 1
        except OSError:
            return  # the sender has gone

    def go_on_with(self, start: bytes, piece: bytes, pause_s: float = 0.0) -> None:
        """Write pieces until the sender has gone."""
        end = time.monotonic() + _ENDLESS_S
        with suppress(OSError):
            self.wfile.write(start)
            while time.monotonic() < end:
                self.wfile.write(piece)
                time.sleep(pause_s)
            self.server.outwaited += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, tls: ssl.SSLContext, behaviour: Behaviour, port: int):
        super().__init__((str(LOOPBACK), port), _Handler)
        self.tls = tls
        self.behaviour = behaviour
        self.requests: list[Request] = []
        self.outwaited = 0

    def handle_error(self, *_: Any) -> None:
        """A sender that leaves, or breaks off the handshake, is what many tests are about."""


@dataclass(frozen=True)
class Authority:
    """Issues certificates, and the context that trusts them."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@dataclass(frozen=True)
class Receiver:
    """A running receiver. Its certificate is for HOST, unless told otherwise."""

    server: _Server
    authority: Authority

    @property
    def port(self) -> int:
        return int(self.server.server_port)

    @property
    def requests(self) -> list[Request]:
        return self.server.requests

    @property
    def outwaited(self) -> int:
        """Answers that never come or never end, and whose sender was still there when the receiver gave up."""
        return self.server.outwaited

    def url(self, path: str = "/hook") -> str:
        return f"https://{HOST}:{self.port}{path}"

    def courier(self, limits: Limits = PATIENT) -> Courier:
        """A courier for which the receiver's name, address and port are public ones."""
        return Courier(
            resolve=lambda host, port: [LOOPBACK],
            may_reach=lambda address: address == LOOPBACK,
            ports={self.port},
            tls=self.authority.client(),
            limits=limits,
        )


@contextmanager
def receiver(
    behaviour: Behaviour, *, authority: Authority | None = None, name: str = HOST, port: int = 0
) -> Iterator[Receiver]:
    """On a free port, unless one is given."""
    authority = authority or Authority()
    server = _Server(authority.server(name), behaviour, port)
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield Receiver(server, authority)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
