"""Rules for URLs that callers provide: https, a public host, a listed port. Pure; webhooks/safe_http.py connects.

Covered: one strict grammar, so that no two parsers disagree about a host; every spelling of an IP address; reserved
names and address blocks. Not covered: a public address inside the owner's own network.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address

PORTS: Final = frozenset({443, 8443})
MAX_URL: Final = 2048
MAX_NAME: Final = 253
"""Characters of a DNS name (RFC 1035)."""

# RFC 3986 without userinfo and fragment, and with the brackets that browsers leave in paths and queries. Nothing that
# two parsers could read differently is allowed: ASCII only, no white space, no backslash, no percent-encoding in the
# host.
_CHARACTER: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/\[\]-]|%[0-9A-Fa-f]{2})"
_URL: Final = re.compile(
    r"(?i:https)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<path>/{_CHARACTER}*)?(?P<query>\?(?:{_CHARACTER}|\?)*)?"
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
"""A label of a name in the DNS. A host name has no underscore (RFC 1123), but receivers have, and browsers take it."""
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes resolvers read the whole host as an IPv4 address: 127.1, 2130706433, 0x7f000001."""

_AUTHORITY: Final = r"https://[^/?#]*"
_FAULTS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), fault)
    for pattern, fault in (
        (r"\s*\Z", "must not be empty; leave webhook out for no webhook"),
        (r".*[\x00-\x1f\x7f]", "must not contain control characters, tabs or line breaks"),
        (r".*\s", "must not contain white space; write a space as %20"),
        (
            r".*[^\x00-\x7f]",
            "must be ASCII; write the host in Punycode (xn--...) and percent-encode the rest",
        ),
        (r".*\\", "must not contain a backslash; write / or %5C"),
        (r"(?!https:)[a-z][a-z0-9+.-]*:(?![0-9])", "must use https, not another scheme"),
        (r"(?!https://)", "must begin with https:// and a host"),
        (r".*#", "must not have a fragment, which is never sent; write # as %23"),
        (rf"{_AUTHORITY}@", "must not have a user or a password; put a secret into the path or the query"),
        (r".*%(?![0-9a-f]{2})", "must have two hexadecimal digits after %; write % as %25"),
        (rf"{_AUTHORITY}%", "must not percent-encode the host; write an international name in Punycode (xn--...)"),
        (rf"{_AUTHORITY}[/?].*[^a-z0-9._~!$&'()*+,;=:@/?%\[\]-]", "must percent-encode {character} as {encoded}"),
        (r"https://[0-9a-f]*:[0-9a-f.]*:[0-9a-f:.]*([/?]|\Z)", "must write an IPv6 address in brackets"),
        (
            r"https://(\[[^\]/?]*\]|[^:/?\[\]]*):(?![0-9]{1,5}([/?]|\Z))",
            "must have a number of at most 5 digits as port",
        ),
        (r"https://([:/?]|\Z)", "must have a host"),
        (rf"{_AUTHORITY}[\[\]]", "must have brackets in the host only around an IPv6 address"),
    )
)
"""What is wrong with a URL that the grammar rejects, in the order in which it is looked for."""
_OTHER_FAULT: Final = "must have a host of letters, digits, hyphens, underscores and dots, or an IP address"

_RESERVED_NAMES: Final = frozenset({"alt", "arpa", "internal", "invalid", "local", "localhost", "onion", "test"})
"""Last labels that never name a host on the Internet (IANA's special-use domain names; ICANN for internal)."""

_RESERVED_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            # IANA's special-purpose registry, including blocks for which Python's is_global is True.
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # publicly numbered, but Azure's internal platform address
        ),
    )
)
_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
"""Global unicast. Loopback, private, link-local, IPv4-mapped and NAT64 addresses are outside it."""

_RESERVED_IPV6: Final = tuple(
    map(
        IPv6Network,
        # Protocol assignments with Teredo, documentation, 6to4, AS112, documentation, segment routing.
        ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16"),
    )
)


class NotAllowed(ValueError):
    """The URL or its address is not allowed. The text says why and does not repeat the URL."""


@dataclass(frozen=True)
class Target:
    """The parts of an https URL; `address` is set if the host is an IP address."""

    host: str
    port: int
    path: str
    address: Address | None = None

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110, 7.2): the port only if it is not 443."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


def parse(url: str, ports: Collection[int] = PORTS) -> Target:
    """Return the parts of `url` without resolving its host. Raises NotAllowed."""
    if len(url) > MAX_URL:
        raise NotAllowed(f"must have at most {MAX_URL} characters")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise NotAllowed(_fault(url))
    port = int(parts["port"] or 443)
    if port not in ports:
        raise NotAllowed(f"must use port {' or '.join(map(str, sorted(ports)))}")
    host = parts["host"].lower()
    path = (parts["path"] or "/") + (parts["query"] or "")
    if host.startswith("[") or _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        address = _literal(host)
        return Target(str(address), port, path, address)
    _check_name(host)
    return Target(host, port, path)


def check(url: str) -> str:
    """Return `url` if a request may contain it; a host's addresses are checked at delivery. Raises NotAllowed."""
    target = parse(url)
    if target.address is not None and not is_public(target.address):
        raise NotAllowed("must name a public address, not a private, local or reserved one")
    return url


def is_public(address: Address) -> bool:
    """Return whether the address is on the public Internet. Mapped, tunneled and translated addresses are not."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _RESERVED_IPV4)
    return address in _GLOBAL_IPV6 and not any(address in network for network in _RESERVED_IPV6)


def _fault(url: str) -> str:
    """Return what is wrong with a URL that the grammar rejects, and how to write it."""
    for pattern, fault in _FAULTS:
        found = pattern.match(url)
        if found is not None:
            character = found[0][-1:]
            return fault.format(character=character, encoded=f"%{ord(character or ' '):02X}")
    return _OTHER_FAULT


def _literal(host: str) -> Address:
    try:
        # Python rejects short, octal and hexadecimal forms.
        return IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    except ValueError:
        raise NotAllowed("must write an IP address in dotted-decimal or bracketed IPv6 notation") from None


def _check_name(host: str) -> None:
    labels = host.split(".")
    if len(labels) < 2:
        raise NotAllowed("must have a fully qualified host name, such as hooks.example.com")
    if len(host) > MAX_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise NotAllowed(
            f"must have a host name of at most {MAX_NAME} characters, "
            "with 1 to 63 between dots and no hyphen beside a dot"
        )
    if labels[-1] in _RESERVED_NAMES:
        raise NotAllowed(f"must name a host on the public Internet; names in .{labels[-1]} never do")
