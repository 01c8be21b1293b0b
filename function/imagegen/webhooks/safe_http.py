"""The only module that connects to hosts that callers name: HTTPS to addresses that were checked and pinned.

Covered: every address of a host is checked before the first connection, and the connection goes to a checked address
(DNS rebinding changes nothing); TLS for the host's name; no redirects; no proxy variables; only the response's head is
read; the total time is bounded. Not covered: a public address inside the owner's own network, a receiver that forwards.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Any

from urllib3.util.ssl_match_hostname import CertificateError, match_hostname

from imagegen.public_url import PORTS, Address, NotAllowed, Target, is_public, parse

Resolver = Callable[[str, int], Iterable[Address]]
"""Returns the addresses of a host name; raises OSError if it has none."""


class Unreachable(Exception):
    """No response; `reason` is not_resolved, connection_failed, tls_failed, timeout or bad_answer."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Timeouts:
    """Seconds for connecting to one address, for one read, and in total after the name is resolved."""

    connect_s: float = 3.0
    read_s: float = 15.0
    total_s: float = 20.0


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses that the system's resolver knows. Raises OSError if there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(sockaddr[0]) for *_, sockaddr in found]


class SafeClient:
    """POSTs to URLs that callers provide. Thread-safe.

    Only tests and the local stack pass parameters, to reach a receiver on this machine.
    """

    def __init__(
        self,
        *,
        resolve: Resolver = resolve,
        may_reach: Callable[[Address], bool] = is_public,
        ports: Collection[int] = PORTS,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        timeouts: Timeouts | None = None,
    ):
        self._resolve = resolve
        self._may_reach = may_reach
        self._ports = ports
        self._new_tls = tls
        self._tls = tls()
        self._timeouts = timeouts or Timeouts()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Return the status of any response. Raises NotAllowed and Unreachable."""
        target = parse(url, self._ports)
        tls = self._underscore_tls if "_" in target.host else self._tls
        connection = _Connection(target, self._addresses(target), tls, self._timeouts)
        try:
            connection.request("POST", target.path, body, {**headers, "Host": target.authority, "Connection": "close"})
            status = connection.getresponse().status
            if connection.timed_out:  # http.client takes the forced end of the connection for the end of the headers
                raise TimeoutError
            return status
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(_reason(error, connection)) from None
        finally:
            connection.close()

    @cached_property
    def _underscore_tls(self) -> ssl.SSLContext:
        """The context for a host name with an underscore, which the connection verifies itself.

        For OpenSSL, `*.example.com` does not cover it, and public authorities issue no other certificate for it.
        """
        tls = self._new_tls()
        tls.check_hostname = False
        return tls

    def _addresses(self, target: Target) -> list[Address]:
        """Return every address of the target. One disallowed address disallows the whole name."""
        try:
            found = [target.address] if target.address else list(self._resolve(target.host, target.port))
        except (OSError, UnicodeError):
            raise Unreachable("not_resolved") from None
        if not found:
            raise Unreachable("not_resolved")
        if not all(map(self._may_reach, found)):
            raise NotAllowed("resolves to an address that is not public")
        return found


class _FinalResponse(http.client.HTTPResponse):
    """Skips all interim responses (RFC 9110, 15.2), such as 103 Early Hints; http.client skips only 100 Continue."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _Connection(http.client.HTTPConnection):
    """A TLS connection to one of the checked addresses.

    http.client follows no redirects and reads no proxy variables. Its timeout applies to each read, so a watchdog
    bounds the total.
    """

    response_class = _FinalResponse

    def __init__(self, target: Target, addresses: Iterable[Address], tls: ssl.SSLContext, timeouts: Timeouts):
        super().__init__(target.host, target.port)
        self._target = target
        self._addresses = addresses
        self._tls = tls
        self._timeouts = timeouts
        self._ends = time.monotonic() + timeouts.total_s
        self._watchdog: _Watchdog | None = None

    @property
    def timed_out(self) -> bool:
        return time.monotonic() >= self._ends

    def connect(self) -> None:
        plain = self._connect_to_first()
        self._watchdog = _Watchdog(plain, self._ends - time.monotonic())
        plain.settimeout(self._timeouts.read_s)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self._target.host)
            if not self._tls.check_hostname:
                _match_hostname(self.sock, self._target.host)
        except BaseException:
            plain.close()
            raise

    def _connect_to_first(self) -> socket.socket:
        """Return a socket to the first address that accepts. Raises OSError if none does."""
        failure: OSError = TimeoutError()
        for address in self._addresses:
            left = min(self._timeouts.connect_s, self._ends - time.monotonic())
            if left <= 0:
                break
            try:
                return socket.create_connection((str(address), self._target.port), left)
            except OSError as error:
                failure = error
        raise failure

    def close(self) -> None:
        super().close()
        if self._watchdog is not None:
            self._watchdog.stop()


def _match_hostname(connected: ssl.SSLSocket, host: str) -> None:
    """Raise SSLError unless the certificate, whose chain is verified, is for the host."""
    certificate: Any = connected.getpeercert()  # typeshed's type is wider than urllib3's
    try:
        match_hostname(certificate, host)
    except (CertificateError, ValueError):
        raise ssl.SSLCertVerificationError("the certificate is for another host") from None


class _Watchdog:
    """Shuts a connection down after `seconds`, through a duplicate of its socket that no other thread can close."""

    def __init__(self, connected: socket.socket, seconds: float):
        self._duplicate = connected.dup()
        self._timer = threading.Timer(seconds, self._shut_down)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self._duplicate.close()

    def _shut_down(self) -> None:
        with suppress(OSError):  # the peer may have closed first
            self._duplicate.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception, connection: _Connection) -> str:
    if isinstance(error, TimeoutError) or connection.timed_out:
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return "tls_failed"
    # RemoteDisconnected is both an OSError and an HTTPException: the connection ended before a response began.
    return "connection_failed" if isinstance(error, OSError) else "bad_answer"
