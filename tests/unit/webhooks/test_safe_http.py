"""No outgoing request reaches an internal address (R9): hostile URLs, names, and receivers, with canary listeners."""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from imagegen.public_url import Address, NotAllowed
from imagegen.webhooks.safe_http import SafeClient, Timeouts, Unreachable
from tests.support.hostile_urls import INTERNAL_NAMES, KINDS
from tools.local.webhook_receiver import (
    HOST,
    IMPATIENT,
    LOOPBACK,
    PATIENT,
    Authority,
    Behaviour,
    Receiver,
    drip,
    endless_continue,
    endless_headers,
    endless_interim,
    flood,
    garbage,
    interim,
    receiver,
    reset,
    silence,
    status,
)

UNUSED_ADDRESS = ipaddress.IPv4Address("127.0.0.9")
"""A loopback address without a listener."""


# -- canaries ----------------------------------------------------------------------------------------------------------


@dataclass
class Canaries:
    """Listeners on this machine's loopback addresses, and every connection attempt of this process to any address."""

    listeners: list[socket.socket]
    tried: list[Any] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listeners[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Connections accepted since the last call."""
        found = 0
        for listener in self.listeners:
            while True:
                try:
                    listener.accept()[0].close()
                except BlockingIOError:
                    break
                found += 1
        return found


_watching: list[Canaries] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        for canaries in _watching:
            canaries.tried.append(arguments[1])


sys.addaudithook(_watch)  # an audit hook cannot be removed, hence the list


@pytest.fixture
def canaries() -> Iterator[Canaries]:
    first = socket.create_server(("127.0.0.1", 0))
    listeners = [first]
    if socket.has_ipv6:
        with suppress(OSError):  # a machine without IPv6
            listeners.append(socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6))
    for listener in listeners:
        listener.setblocking(False)
    canaries = Canaries(listeners)
    _watching.append(canaries)
    yield canaries
    _watching.remove(canaries)
    for listener in listeners:
        listener.close()


def trusting_resolver(host: str, port: int) -> list[Address]:
    """Resolves the internal names, and numbers as leniently as the system's resolver. Sends no DNS query."""
    if host in INTERNAL_NAMES:
        return [ipaddress.ip_address(each) for each in INTERNAL_NAMES[host]]
    found = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
    return [ipaddress.ip_address(sockaddr[0]) for *_, sockaddr in found]


def test_the_canaries_notice_a_connection(canaries: Canaries) -> None:
    socket.create_connection(("127.0.0.1", canaries.port)).close()
    assert len(canaries.tried) == canaries.connections == 1


def test_a_client_without_checks_would_reach_the_canaries(canaries: Canaries) -> None:
    timeouts = Timeouts(PATIENT.connect_s, IMPATIENT.read_s, PATIENT.total_s)  # they accept, and never answer
    trusting = SafeClient(resolve=trusting_resolver, may_reach=lambda _: True, ports={canaries.port}, timeouts=timeouts)
    for host in ("loopback.example.com", "127.0.0.1"):
        with pytest.raises(Unreachable):
            trusting.post(f"https://{host}:{canaries.port}/", {}, b"")
    assert canaries.connections == 2


# -- hostile URLs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_no_hostile_url_is_reached(canaries: Canaries, kind: str) -> None:
    client = SafeClient(resolve=trusting_resolver, ports={443, 8443, canaries.port}, timeouts=PATIENT)
    for url in KINDS[kind]:
        with pytest.raises((NotAllowed, Unreachable), match=r"^(must|resolves to|not_resolved)"):
            client.post(url.replace("{port}", str(canaries.port)), {}, b"")
    assert canaries.tried == []
    assert canaries.connections == 0


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [
        (status(204), 204), (status(500), 500), (status(410), 410), (silence, "timeout"), (drip, "timeout"),
        (reset, "connection_failed"), (garbage, "bad_answer"), (flood, 200), (endless_headers, "bad_answer"),
        (endless_continue, "timeout"), (endless_interim, "timeout"), (interim(100), 204), (interim(102), 204),
        (interim(103), 204), (interim(100, 103), 204), (interim(103, 102, 103), 204), (interim(103, final=500), 500),
        (interim(199), 204), (status(101), 101),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)  # fmt: skip
def test_every_receiver_behavior_ends_in_a_status_or_an_error(
    authority: Authority, behaviour: Behaviour, answer: int | str
) -> None:
    with receiver(behaviour, authority=authority) as running:
        try:
            actual: int | str = running.client(IMPATIENT if answer == "timeout" else PATIENT).post(
                running.url(), {}, b"{}"
            )
        except Unreachable as error:
            actual = error.reason
        assert actual == answer
        assert running.outwaited == 0


def test_a_request_has_its_host_path_headers_and_body(authority: Authority) -> None:
    with receiver(status(200), authority=authority) as running:
        running.client().post(running.url("/hook?x=%20"), {"content-type": "application/json"}, b'{"a": 1}')
    (request,) = running.requests
    assert (request.path, request.body) == ("/hook?x=%20", b'{"a": 1}')
    assert request.headers["host"] == f"{HOST}:{running.port}"
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path", ["/a[0]/b?ids[]=1&ids[]=%5B2%5D", "/a//b/../c;d=e?f?g", "/~!$&'()*+,;=:@_", "/?[", "/%7Bid%7D"]
)
def test_the_path_is_sent_as_it_was_accepted(authority: Authority, path: str) -> None:
    with receiver(status(200), authority=authority) as running:
        running.client().post(running.url(path), {}, b"")
    assert [request.path for request in running.requests] == [path]


def test_a_host_with_an_underscore_is_sent_and_verified(authority: Authority) -> None:
    """OpenSSL itself accepts no wildcard for it."""
    with receiver(status(200), authority=authority, name="*.example.com") as running:
        for host in ("my_hooks.example.com", "hooks.example.com", "my_hooks.example.com"):
            assert running.client().post(f"https://{host}:{running.port}/", {}, b"") == 200
    assert [request.headers["host"].partition(":")[0] for request in running.requests] == [
        "my_hooks.example.com", "hooks.example.com", "my_hooks.example.com"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("certified", "host"),
    [
        ("*.example.org", "my_hooks.example.com"), ("hooks.example.com", "my_hooks.example.com"),
        ("*.example.com", "a.my_hooks.example.com"), ("*.com", "my_hooks.example.com"),
        ("127.0.0.1", "a_b.example.com"),
    ],
)  # fmt: skip
def test_a_certificate_for_another_host_than_one_with_an_underscore_is_rejected(
    authority: Authority, certified: str, host: str
) -> None:
    with (
        receiver(status(200), authority=authority, name=certified) as running,
        pytest.raises(Unreachable, match="tls_failed"),
    ):
        running.client().post(f"https://{host}:{running.port}/", {}, b"")
    assert running.requests == []


def test_an_unknown_authority_is_rejected_for_a_host_with_an_underscore(authority: Authority) -> None:
    with (
        receiver(status(200), authority=Authority(), name="*.example.com") as running,
        pytest.raises(Unreachable, match="tls_failed"),
    ):
        Receiver(running.server, authority).client().post(f"https://a_b.example.com:{running.port}/", {}, b"")
    assert running.requests == []


@pytest.mark.parametrize("code", [300, 301, 302, 303, 307, 308])
def test_no_redirect_is_followed(canaries: Canaries, authority: Authority, code: int) -> None:
    internal = f"https://127.0.0.1:{canaries.port}/"
    with receiver(status(code, location=internal, refresh=f"0; url={internal}"), authority=authority) as running:
        assert running.client().post(running.url(), {}, b"") == code
    assert canaries.tried == [("127.0.0.1", running.port)]


def test_no_proxy_is_used(canaries: Canaries, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canaries.port}")
    with receiver(status(200), authority=authority) as running:
        assert running.client().post(running.url(), {}, b"") == 200
    assert canaries.tried == [("127.0.0.1", running.port)]


def test_a_name_is_resolved_once_and_the_checked_address_is_used(canaries: Canaries) -> None:
    resolved = []

    def rebinding(host: str, port: int) -> list[Address]:
        resolved.append(host)
        return [UNUSED_ADDRESS] if len(resolved) == 1 else [LOOPBACK]

    client = SafeClient(
        resolve=rebinding, may_reach=lambda address: address == UNUSED_ADDRESS, ports={canaries.port}, timeouts=PATIENT
    )
    url = f"https://rebinding.example.com:{canaries.port}/"
    with pytest.raises(Unreachable):
        client.post(url, {}, b"")
    assert resolved == ["rebinding.example.com"]
    assert canaries.tried == [(str(UNUSED_ADDRESS), canaries.port)]
    with pytest.raises(NotAllowed):
        client.post(url, {}, b"")
    assert canaries.connections == 0


def test_the_next_address_is_tried_when_one_does_not_answer(authority: Authority) -> None:
    with receiver(status(200), authority=authority) as running:
        client = SafeClient(
            resolve=lambda host, port: [UNUSED_ADDRESS, LOOPBACK],
            may_reach=lambda _: True,
            ports={running.port},
            tls=authority.client,
            timeouts=PATIENT,
        )
        assert client.post(running.url(), {}, b"") == 200


def test_a_certificate_for_another_name_is_rejected(authority: Authority) -> None:
    with receiver(status(200), authority=authority, name="other.example.com") as running:
        assert_refused_by_tls(running)


def test_an_unknown_certificate_authority_is_rejected(authority: Authority) -> None:
    with receiver(status(200), authority=Authority()) as running:
        assert_refused_by_tls(Receiver(running.server, authority))


def assert_refused_by_tls(running: Receiver) -> None:
    with pytest.raises(Unreachable, match="tls_failed"):
        running.client().post(running.url(), {}, b"")
    assert running.requests == []


def test_a_slow_handshake_times_out() -> None:
    record, sent = b"\x16\x03\x03\x40\x00" + b"x" * 2000, bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                for byte in record:
                    sent.append(byte)
                    connection.send(bytes([byte]))
                    time.sleep(0.02)

        threading.Thread(target=serve, daemon=True).start()
        client = SafeClient(resolve=lambda *_: [LOOPBACK], may_reach=lambda _: True, ports={port}, timeouts=IMPATIENT)
        with pytest.raises(Unreachable, match="timeout"):
            client.post(f"https://{HOST}:{port}/", {}, b"")
    assert len(sent) < len(record)


def test_no_timer_thread_outlives_its_request(authority: Authority) -> None:
    with receiver(silence, authority=authority) as running:
        client = running.client(Timeouts(1, 0.05, 0.05))
        before = threading.active_count()
        for _ in range(5):
            with pytest.raises(Unreachable):
                client.post(running.url(), {}, b"")
        guards = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert before
    assert guards == []
