"""An HTTPS webhook receiver on 127.0.0.1 that misbehaves as configured."""

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

from imagegen.webhooks.safe_http import SafeClient, Timeouts

HOST = "hooks.example.com"
LOOPBACK = IPv4Address("127.0.0.1")
PATIENT = Timeouts(connect_s=10.0, read_s=20.0, total_s=30.0)
"""For receivers that answer: long enough for a busy machine."""
IMPATIENT = Timeouts(connect_s=1.0, read_s=0.3, total_s=0.5)
"""For receivers that never answer or never finish their answer."""
_SILENT_S = 10
_ENDLESS_S = 45
"""Limits on silent and endless answers: without them a sender that has no timeouts would hang."""


@dataclass(frozen=True)
class Request:
    """A received request. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[["_Handler", Request], None]


def status(code: int, **headers: str) -> Behaviour:
    """Answer with a status code, these headers and no body."""

    def answer(handler: _Handler, _: Request) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def interim(*codes: int, final: int = 204) -> Behaviour:
    """Send interim responses with these status codes and a header each, then the final one."""

    def answer(handler: _Handler, request: Request) -> None:
        for code in codes:
            handler.wfile.write(f"HTTP/1.1 {code} Interim\r\nlink: </style.css>; rel=preload\r\n\r\n".encode())
        status(final)(handler, request)

    return answer


def endless_interim(handler: _Handler, _: Request) -> None:
    """Answer 103 Early Hints without end."""
    handler.repeat(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n")


def silence(handler: _Handler, _: Request) -> None:
    """Read the request and send nothing until the sender disconnects."""
    handler.wait_for_disconnect()


def reset(handler: _Handler, _: Request) -> None:
    """Close the connection with RST."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def drip(handler: _Handler, _: Request) -> None:
    """Send a byte every 20 ms, so that no read times out: an answer that never ends."""
    handler.repeat(b"HTTP/1.1 200 OK\r\nx-slow: ", b"x", pause_s=0.02)


def flood(handler: _Handler, _: Request) -> None:
    """Answer 200 with a body that never ends, at full speed."""
    handler.repeat(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n", b"x" * 65536)


def endless_headers(handler: _Handler, _: Request) -> None:
    """Answer 200 with headers that never end."""
    handler.repeat(b"HTTP/1.1 200 OK\r\n", b"x-header: " + b"x" * 1000 + b"\r\n")


def endless_continue(handler: _Handler, _: Request) -> None:
    """Answer 100 Continue without end."""
    handler.repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n")


def garbage(handler: _Handler, _: Request) -> None:
    """Answer with bytes that are not HTTP."""
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
        if len(body) < length:  # the sender timed out in the middle of it
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

    def wait_for_disconnect(self) -> None:
        try:
            self.connection.recv(1)
        except TimeoutError:
            self.server.outwaited += 1
        except OSError:
            return  # the sender disconnected

    def repeat(self, start: bytes, piece: bytes, pause_s: float = 0.0) -> None:
        """Write `start`, then `piece` repeatedly until the sender disconnects."""
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
        """Print nothing: many tests have senders that disconnect, also during the TLS handshake."""


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and the TLS contexts of its servers and clients."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    def server(self, *names: str) -> ssl.SSLContext:
        """Return a server's context with a certificate for these host names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        """Return a client's context that also trusts this authority."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context


@dataclass(frozen=True)
class Receiver:
    """A running receiver."""

    server: _Server
    authority: Authority

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1."""
        return int(self.server.server_port)

    @property
    def requests(self) -> list[Request]:
        """Requests received so far."""
        return self.server.requests

    @property
    def outwaited(self) -> int:
        """Silent or endless answers whose sender was still connected when the receiver gave up."""
        return self.server.outwaited

    def url(self, path: str = "/hook") -> str:
        """Return an HTTPS URL for HOST. Only `client` resolves HOST to this receiver."""
        return f"https://{HOST}:{self.port}{path}"

    def client(self, timeouts: Timeouts = PATIENT) -> SafeClient:
        """Return a client that treats the receiver's name, address and port as public."""
        return SafeClient(
            resolve=lambda host, port: [LOOPBACK],
            may_reach=lambda address: address == LOOPBACK,
            ports={self.port},
            tls=self.authority.client,
            timeouts=timeouts,
        )


@contextmanager
def receiver(
    behaviour: Behaviour, *, authority: Authority | None = None, name: str = HOST, port: int = 0
) -> Iterator[Receiver]:
    """Run a receiver during the block, with a certificate for `name`. Port 0 means a free port."""
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
