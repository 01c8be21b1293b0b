"""Addresses that callers name: judged when they are given, judged again and pinned when they are reached.

The one module that connects to where somebody outside says. Covered: https only, ports from a list, every address of a
name checked before the first connection, the connection made to the checked address (a name that changes its address
meanwhile changes nothing), no redirect followed, no proxy variable read, nothing of the answer read but its head, time
bounded in all. Not covered: a public address that belongs to the owner's own network, a receiver that forwards.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Iterable[Address]]
"""The addresses of a name; raises OSError where it has none."""

PORTS: Final = frozenset({443, 8443})
MAX_URL: Final = 2048
MAX_NAME: Final = 253
"""Characters of a name in the DNS (RFC 1035)."""

# RFC 3986 without user, password and fragment. Nothing that two parsers could read in two ways is let in: no character
# beyond ASCII, no white space, no backslash, no percent sign in the host.
_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_URL: Final = re.compile(
    r"(?i:https)://(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<path>/{_CHARACTER}*)?(?P<query>\?(?:{_CHARACTER}|\?)*)?"
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes resolvers read the whole host as an IPv4 address: 127.1, 2130706433, 0x7f000001."""

_INNER_NAMES: Final = frozenset({"alt", "arpa", "internal", "invalid", "local", "localhost", "onion", "test"})
"""Last labels that never name a host of the Internet (IANA's special-use domain names; ICANN for internal)."""

_INNER_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            # IANA's special-purpose registry, where Python's is_global is True for some of them.
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # public by its number, the inner platform address of Azure
        ),
    )
)
_OUTER_IPV6: Final = IPv6Network("2000::/3")
"""Global unicast. Outside lie loopback, private, link-local, IPv4-mapped and NAT64 addresses."""

_INNER_IPV6: Final = tuple(
    map(
        IPv6Network,
        # Protocol assignments with Teredo, documentation, 6to4, AS112, documentation, segment routing.
        ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16"),
    )
)


class NotAllowed(ValueError):
    """The address is none that we connect to; the text says why and does not repeat it."""


class Unreachable(Exception):
    """Nothing answered; `reason` is one of not_resolved, connection_failed, tls_failed, timeout, bad_answer."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Target:
    """An https URL in its parts; `address` is set where the host is a literal address."""

    host: str
    port: int
    path: str
    address: Address | None = None

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


def parse(url: str, ports: Collection[int] = PORTS) -> Target:
    """The parts of a URL that may be kept for later; asks no resolver. Raises NotAllowed."""
    if len(url) > MAX_URL:
        raise NotAllowed(f"must have at most {MAX_URL} characters")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise NotAllowed("must be an https URL of ASCII characters, without user, password and fragment")
    port = int(parts["port"] or 443)
    if port not in ports:
        raise NotAllowed(f"must name one of the ports {', '.join(map(str, sorted(ports)))}")
    host = parts["host"].lower()
    path = (parts["path"] or "/") + (parts["query"] or "")
    if host.startswith("[") or _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        address = _literal(host)
        return Target(str(address), port, path, address)
    _check_name(host)
    return Target(host, port, path)


def _literal(host: str) -> Address:
    try:
        # Python takes no short, octal or hexadecimal forms.
        return IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    except ValueError:
        raise NotAllowed("names its host by a number that is no plain IP address") from None


def _check_name(host: str) -> None:
    labels = host.split(".")
    if len(host) > MAX_NAME or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise NotAllowed("must name its host in full, by a legal name")
    if labels[-1] in _INNER_NAMES:
        raise NotAllowed("names a host that the Internet does not know")


def is_public(address: Address) -> bool:
    """Whether an address belongs to the Internet, whatever it is written in or wrapped into."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _INNER_IPV4)
    return address in _OUTER_IPV6 and not any(address in network for network in _INNER_IPV6)


def resolve(host: str, port: int) -> list[Address]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(sockaddr[0]) for *_, sockaddr in found]


def judge(url: str) -> str:
    """The URL, if it may be kept for later: of a name only its form is judged. Raises NotAllowed."""
    target = parse(url)
    if target.address is not None and not is_public(target.address):
        raise NotAllowed("names an address that is not public")
    return url


@dataclass(frozen=True)
class Limits:
    """Seconds for a connection to one address, for a silence, and for all of it after the name was resolved."""

    connect_s: float = 3.0
    silence_s: float = 15.0
    total_s: float = 20.0


class Courier:
    """Posts to targets. Safe to use from several threads.

    Tests let it reach a receiver of their own through these parameters; nothing else may.
    """

    def __init__(
        self,
        *,
        resolve: Resolver = resolve,
        may_reach: Callable[[Address], bool] = is_public,
        ports: Collection[int] = PORTS,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ):
        self._resolve = resolve
        self._may_reach = may_reach
        self._ports = ports
        self._tls = tls or ssl.create_default_context()
        self._limits = limits or Limits()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer, whatever it is. Raises NotAllowed and Unreachable."""
        target = parse(url, self._ports)
        connection = _Connection(target, self._addresses(target), self._tls, self._limits)
        try:
            connection.request("POST", target.path, body, {**headers, "Host": target.authority, "Connection": "close"})
            status = connection.getresponse().status
            if connection.is_over:  # its end looks to http.client like the end of the headers
                raise TimeoutError
            return status
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(_reason(error, connection)) from None
        finally:
            connection.close()

    def _addresses(self, target: Target) -> list[Address]:
        """Every address of the target, all of them allowed: one that is not condemns the name."""
        try:
            found = [target.address] if target.address else list(self._resolve(target.host, target.port))
        except (OSError, UnicodeError):
            raise Unreachable("not_resolved") from None
        if not found:
            raise Unreachable("not_resolved")
        if not all(map(self._may_reach, found)):
            raise NotAllowed("leads to an address that is not public")
        return found


class _Connection(http.client.HTTPConnection):
    """A connection to addresses that were checked, with TLS for the target's name.

    http.client follows no redirect and reads no proxy variable; its time limit is per read only, so a second one ends
    the connection from outside.
    """

    def __init__(self, target: Target, addresses: Iterable[Address], tls: ssl.SSLContext, limits: Limits):
        super().__init__(target.host, target.port)
        self._target = target
        self._addresses = addresses
        self._tls = tls
        self._limits = limits
        self._ends = time.monotonic() + limits.total_s
        self._guard: _Guard | None = None

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends

    def connect(self) -> None:
        plain = self._connected()
        self._guard = _Guard(plain, self._ends - time.monotonic())
        plain.settimeout(self._limits.silence_s)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self._target.host)
        except BaseException:
            plain.close()
            raise

    def _connected(self) -> socket.socket:
        """The first address that accepts."""
        failure: OSError = TimeoutError()
        for address in self._addresses:
            left = min(self._limits.connect_s, self._ends - time.monotonic())
            if left <= 0:
                break
            try:
                return socket.create_connection((str(address), self._target.port), left)
            except OSError as error:
                failure = error
        raise failure

    def close(self) -> None:
        super().close()
        if self._guard is not None:
            self._guard.dismiss()


class _Guard:
    """Ends a connection at its time, through a duplicate of its socket that no other thread closes meanwhile."""

    def __init__(self, connected: socket.socket, seconds: float):
        self._duplicate = connected.dup()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def dismiss(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self._duplicate.close()

    def _end(self) -> None:
        with suppress(OSError):  # the other side was faster
            self._duplicate.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception, connection: _Connection) -> str:
    if isinstance(error, TimeoutError) or connection.is_over:
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return "tls_failed"
    # RemoteDisconnected is both: the connection ended before an answer began.
    return "connection_failed" if isinstance(error, OSError) else "bad_answer"
