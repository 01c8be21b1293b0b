"""The connection to Redis or Valkey: the only module that imports redis-py."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from redis import ConnectionError as Disconnected
from redis import CredentialProvider, Redis, RedisCluster, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from imagegen.errors import StorageUnavailable
from imagegen.redis.breaker import Breaker

_RETRIES: Final = 1
"""A server drops connections while Lambda freezes the environment. Only that is tried again: not a time-out."""


class RedisFailed(Exception):
    """No usable answer from the server, or none is asked for at present. No request fails because of it."""


@dataclass(frozen=True)
class Address:
    """Where the server is.

    `url` is redis://[user@]host[:port][/database], or rediss:// with TLS; a cluster has only database 0. `timeout_s` is
    for connecting, and again for each answer.
    """

    url: str
    cluster: bool
    timeout_s: float


class RedisServer:
    """Commands to one server or cluster. Thread-safe.

    Covered: a server that is down, hangs, loads its data, is out of memory, read-only, refuses the password or has no
    valid certificate. A failure costs the caller a few time-outs: two attempts to connect, with TLS and the password, a
    command, and in a cluster one question to each node. Then nothing is tried for PAUSE_S. Not covered: a name server
    that hangs, whose time-out is the resolver's.
    """

    def __init__(
        self,
        address: Address,
        password: Callable[[], str] | None,
        on_failure: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        """`password` is called for each connection and may raise StorageUnavailable.

        `on_failure` gets the kind of failure, without keys and values.
        """
        self._address = address
        self._password = password
        self._on_failure = on_failure
        self._breaker = Breaker(clock)
        self._client: Any = None

    def get(self, key: str) -> bytes | None:
        """Return the value; None if there is none, empty if it is not a string. Raises RedisFailed."""

        def read(client: Any) -> bytes | None:
            try:
                value: bytes | None = client.get(key)
            except ResponseError as error:
                if _code(error) != "WRONGTYPE":
                    raise
                return b""
            return value

        found: bytes | None = self._ask(read)
        return found

    def set(self, key: str, value: bytes, lasts_ms: int, *, replace: bool) -> None:
        """Store the value for `lasts_ms`. Without `replace`, an existing one stays. Raises RedisFailed."""
        self._ask(lambda client: client.set(key, value, px=lasts_ms, nx=not replace))

    def run(self, script: Script, key: str, *arguments: int) -> Any:
        """Run the script on the key, atomically, and return its answer. Raises RedisFailed."""
        return self._ask(lambda client: script.run(client, key, arguments))

    def _ask(self, command: Callable[[Any], Any]) -> Any:
        if not self._breaker.lets_through():
            raise RedisFailed
        try:
            if self._client is None:
                self._client = self._connect()
            answer = command(self._client)
        except Exception as error:  # whatever it is: a cache fails no request
            # The next attempt looks the name up again. After a failover, the old server answers, but is read-only.
            self._client = None
            self._breaker.failed()
            self._on_failure(_kind(error))
            raise RedisFailed from error
        self._breaker.succeeded()
        return answer

    def _connect(self) -> Any:
        """Return a client that connects at its first command, except to a cluster, which it asks for its nodes."""
        options: dict[str, Any] = {
            "socket_connect_timeout": self._address.timeout_s,
            "socket_timeout": self._address.timeout_s,
            "retry": Retry(NoBackoff(), _RETRIES, supported_errors=(Disconnected,)),
            # Another protocol, or the name of the library, would cost each new connection a round trip.
            "protocol": 2,
            "driver_info": None,
        }
        url = self._address.url
        if self._password is not None:
            # redis-py takes the user from the URL or from the provider, not from both.
            scheme, _, rest = url.partition("://")
            user, _, place = rest.rpartition("@")
            url = f"{scheme}://{place}"
            options["credential_provider"] = _Credentials(user, self._password)
        return (RedisCluster if self._address.cluster else Redis).from_url(url, **options)


class Script:
    """A Lua script. A server that does not have it yet gets its text."""

    def __init__(self, text: str):
        self._text = text
        self._sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: Any, key: str, arguments: tuple[int, ...]) -> Any:
        """Run it on one key: all that a script uses must be in one slot of a cluster."""
        try:
            return client.evalsha(self._sha1, 1, key, *arguments)
        except NoScriptError:
            return client.eval(self._text, 1, key, *arguments)


class PasswordUnavailable(RedisError):
    """The password cannot be read. redis-py closes a connection only for errors of its own."""


class _Credentials(CredentialProvider):
    """The URL's user, and the password as it is now: one that was rotated holds for the next connection."""

    def __init__(self, user: str, password: Callable[[], str]):
        self._user = (user,) if user else ()
        self._password = password

    def get_credentials(self) -> Any:
        try:
            return (*self._user, self._password())
        except StorageUnavailable as error:
            raise PasswordUnavailable(error.private) from error


def _kind(error: Exception) -> str:
    """Return the error's class, and what else is known to contain nothing that was sent."""
    known = str(error) if isinstance(error, PasswordUnavailable) else _code(error)
    return f"{type(error).__name__} {known}".strip()


def _code(error: Exception) -> str:
    """Return the server's code, such as WRONGTYPE, of an error that has no class of its own; empty for others."""
    code = str(error).partition(" ")[0] if type(error) is ResponseError else ""
    return code if code.isupper() else ""
