"""A deployment that the command line can call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from imagegen_cli.credential import Credential, require_sendable
from imagegen_cli.failure import usage

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Profile:
    """A deployment and who calls it; `name` is None unless it is in the file of profiles."""

    name: str | None
    url: str
    """Without a trailing slash."""
    credential: Credential


def make_profile(name: str | None, url: str, credential: Credential, source: str) -> Profile:
    """Return the profile. Raises Failure (usage) that names `source`, and never shows the credential."""
    require_sendable(credential, source)
    return Profile(name, _checked_url(url, source), credential)


def require_name(name: str) -> None:
    """Raises Failure (usage) unless the name is one that a profile can have."""
    if not _NAME.fullmatch(name):
        raise usage(f"{name!r} is no name of a profile: use 1 to 64 letters, digits, hyphens and underscores.")


def is_loopback(url: str) -> bool:
    """Return whether the URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_url(url: str, source: str) -> str:
    """Plain http would show the key to the network, so it is only for this machine."""
    problem = _what_is_wrong(url)
    if problem:
        raise usage(f"{source}: the URL {problem}. Example: https://abc123.execute-api.us-east-1.amazonaws.com/v1")
    return url.rstrip("/")


def _what_is_wrong(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return "cannot be parsed"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "has characters that a URL cannot have"
    if parts.username or parts.password:
        return "has a user or a password, which are not sent"
    if parts.query or parts.fragment:
        return "has a query or a fragment: give the address that the routes are under"
    if not parts.hostname or parts.scheme not in ("https", "http"):
        return "is not an https URL with a host"
    if parts.scheme == "http" and not is_loopback(url):
        return "is not https: http would show the key to the network, and is only for this machine"
    return None
