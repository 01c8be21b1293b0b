"""A real OIDC issuer on this machine: HTTPS with a test authority, keys that rotate, and faults."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, cast

import jwt
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from imagegen.access.issuer import Issuer
from imagegen.access.ports import KeySet
from imagegen.errors import ServiceError
from tools.faults.job_backend import MovableClock

START_S = 1_795_680_000
AUDIENCE = "https://images.example.com"
Fault = Literal[
    "another issuer", "drip", "drip head", "empty", "html", "http jwks", "huge", "list", "no keys", "redirect", "slow",
    "status 500", "truncated",
]  # fmt: skip
DISCOVERY = "/.well-known/openid-configuration"
PATIENT_S = 60.0
"""For fetches that succeed or are refused: long enough for a busy machine."""


def clock() -> MovableClock:
    """Return a clock that does not start at the real time, so that no test depends on it."""
    return MovableClock(START_S * 1000)


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Return the same key for the same number."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """Return the one key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def rsa_jwk(number: int, kid: str) -> dict[str, Any]:
    """Return the public key as an issuer publishes it."""
    return {**RSAAlgorithm.to_jwk(rsa_key(number).public_key(), as_dict=True), "kid": kid, "use": "sig"}


def ec_jwk(kid: str) -> dict[str, Any]:
    """Return the public key as an issuer publishes it."""
    return {**ECAlgorithm.to_jwk(ec_key().public_key(), as_dict=True), "kid": kid, "use": "sig"}


def public_pem(number: int = 0) -> bytes:
    """Return the public key in the form that an attacker uses as an HMAC secret."""
    return (
        rsa_key(number)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def hand_made(header: Any, claims: Any, secret: bytes | None = None) -> str:
    """Return a token that no library makes, signed with HMAC-SHA256 or not at all."""
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, claims)]
    signed = b".".join(parts)
    mac = b"" if secret is None else hmac.new(secret, signed, hashlib.sha256).digest()
    return b".".join([signed, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


@dataclass
class MemoryKeySets:
    """SharedKeySets in a dictionary. While `failing` is set, every call raises it."""

    stored: dict[str, tuple[KeySet, int]] = field(default_factory=dict)
    failing: ServiceError | None = None

    def get(self, issuer: str) -> tuple[KeySet, int] | None:
        self._check()
        return self.stored.get(issuer)

    def put(self, issuer: str, keys: KeySet, fetched_at: int) -> None:
        self._check()
        self.stored[issuer] = (keys, fetched_at)

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing


@dataclass
class LocalIssuer:
    """A running issuer. `requests` counts them by path; `fault` is what the next responses have."""

    url: str
    authority: trustme.CA
    keys: list[dict[str, Any]] = field(default_factory=lambda: [rsa_jwk(0, "rsa-0"), ec_jwk("ec-0")])
    fault: Fault | None = None
    requests: Counter[str] = field(default_factory=Counter)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def fetches(self) -> int:
        """How often the keys were asked for, with or without success."""
        return self.requests[DISCOVERY]

    def tls(self) -> ssl.SSLContext:
        """Return a context that trusts the test authority and no other."""
        return ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())

    def trusted(self, **changes: Any) -> Issuer:
        """Return the issuer as a deployment trusts it."""
        return Issuer.model_validate({"issuer": self.url, "audiences": [AUDIENCE]} | changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return valid claims; a change to None leaves a claim out."""
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": START_S, "exp": START_S + 300}
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def token(
        self, *, key: Any = None, alg: str = "RS256", headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """Return a token with valid claims except for the changes, signed with key 0."""
        header = {"kid": "rsa-0"} | (headers or {})
        return jwt.encode(self.claims(**changes), key or rsa_key(0), algorithm=alg, headers=header)


@contextmanager
def local_issuer() -> Iterator[LocalIssuer]:
    """Run an issuer on a free port of 127.0.0.1 during the block."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.issuer = issuer = LocalIssuer(f"https://127.0.0.1:{server.server_port}", authority)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield issuer
    finally:
        issuer.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: LocalIssuer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up, or does not trust the certificate, is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        issuer = cast(_Server, self.server).issuer
        issuer.requests[self.path] += 1
        with suppress(OSError):
            self._respond(issuer)
        self.close_connection = True

    def _respond(self, issuer: LocalIssuer) -> None:
        match issuer.fault:
            case "slow":
                issuer.stopped.wait()
            case "drip head":
                self._drip(issuer, b"HTTP/1.1 200 OK\r\nX-Slow: ")
            case "drip":
                self._drip(issuer, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")
            case "status 500":
                self._send(b'{"keys": []}', 500)
            case "redirect":
                self._send(b"", 302, Location=f"{issuer.url}{DISCOVERY}?again")
            case "huge":
                self._send(b'{"padding": "' + b"x" * 10_000_000 + b'"}')
            case "empty":
                self._send(b"")
            case "html":
                self._send(b"<html>Sign in</html>")
            case "list":
                self._send(b"[]")
            case "truncated":
                self._send(self._document(issuer), length=1_000_000)
            case _:
                self._send(self._document(issuer))

    def _document(self, issuer: LocalIssuer) -> bytes:
        if self.path != DISCOVERY:
            return json.dumps({"keys": [] if issuer.fault == "no keys" else issuer.keys}).encode()
        name = "https://issuer.example.com" if issuer.fault == "another issuer" else issuer.url
        keys = issuer.url.replace("https", "http") if issuer.fault == "http jwks" else issuer.url
        return json.dumps({"issuer": name, "jwks_uri": f"{keys}/keys"}).encode()

    def _send(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length or len(body)), "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, issuer: LocalIssuer, start: bytes) -> None:
        """Send a byte every hundredth of a second, so that no single read ever takes long."""
        self.wfile.write(start)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not issuer.stopped.wait(0.01):
            self.wfile.write(b"x")
