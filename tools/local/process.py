"""Run MiniStack in its own process group, so that stopping it also stops its handlers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from tools.local.aws_environment import NO_AWS_FILES

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "127.0.0.1"
REGION: Final = "us-east-1"
ACCESS_KEY: Final = "test"
"""MiniStack treats these credentials as the account's root user."""

_KEPT: Final = (
    *("PATH", "HOME", "LANG", "LD_LIBRARY_PATH"),
    *("DEVICE", "PRECISION", "THREADS", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA"),
)
"""Variables passed through: what the machine needs, and compute settings that the template does not set."""
_SERVICES: Final = "services"
"""Folder inside the data folder: one JSON file per AWS service. Images are in another one."""
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
"""Saving a large state takes a few of them."""


class StackError(RuntimeError):
    """The local stack did not start; the message is for the developer."""


@dataclass(frozen=True)
class MiniStack:
    """Address and process of a running MiniStack."""

    url: str
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class Output:
    """Where MiniStack and the functions write."""

    log: Path | None
    """File for the logs and metrics of the functions; None for the caller's stderr."""
    requests_to_stdout: bool = False
    """Whether the access log goes to the caller's stdout instead of `log`."""


@contextmanager
def ministack(port: int, state: Path, output: Output, data: Path | None = None) -> Iterator[MiniStack]:
    """Run MiniStack on `port` with its temporary files in `state`.

    What the services store is loaded from `data` and saved there; without `data`, it ends with the process. Owning the
    port means owning both folders: files that a killed run left in `state` are deleted. Raises StackError.
    """
    if _listens(port):
        raise StackError(f"Port {port} is in use. Choose another one (PORT=...), or stop the process that uses it.")
    if data:
        _require_readable(data)
    shutil.rmtree(state, ignore_errors=True)
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, state, ignore_errors=True)  # before the folder exists: Ctrl-C may come any time
        state.mkdir()
        process = _start(_environment(port, state) | (_persistence(data) if data else {}), output)
        cleanup.callback(_stop, process)
        try:
            _wait_until_ready(process, port)
            yield MiniStack(f"http://{HOST}:{port}", process)
        except StackError as error:  # also one of the caller's, after the start
            raise StackError(f"{error}\nSee {output.log}." if output.log else str(error)) from error


def _start(environment: dict[str, str], output: Output) -> subprocess.Popen[bytes]:
    with output.log.open("wb") if output.log else nullcontext() as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tools.local.server"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=None if output.requests_to_stdout else log,
            stderr=log,
            start_new_session=True,
        )


def user_environment(url: str) -> dict[str, str]:
    """Return the variables of a user whose AWS is the MiniStack at `url`."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        **NO_AWS_FILES,
        "NO_PROXY": HOST,
    }


def free_port() -> int:
    """Return a TCP port that was free a moment ago; another process may take it before the caller does."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(port: int, state: Path) -> dict[str, str]:
    """Return the whole environment of MiniStack and the handlers, without the developer's own AWS configuration."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "AUTH": "true",  # enforce IAM policies: a permission missing from the template fails here too
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        **NO_AWS_FILES,
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(state),
    }


def _persistence(data: Path) -> dict[str, str]:
    """Return the variables that make MiniStack load what `data` holds and save to it."""
    return {
        "PERSIST_STATE": "1",
        "STATE_DIR": str(data / _SERVICES),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(data / "s3"),
    }


def _require_readable(data: Path) -> None:
    """Raise StackError if a file of `data` is damaged: MiniStack would start without that service's state."""
    for file in (data / _SERVICES).glob("*.json"):
        try:
            json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise StackError(f"{file} cannot be read: {error}. To start empty: make clean-data") from error


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise StackError(f"MiniStack exited with code {process.returncode}.")
        if _answers(f"http://{HOST}:{port}/_ministack/ready"):
            return
        time.sleep(0.05)
    raise StackError(f"MiniStack did not answer within {_START_SECONDS:.0f} s.")


def _answers(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False  # a proxy cannot reach this machine's loopback interface
        try:
            return session.get(url, timeout=1).ok
        except requests.RequestException:
            return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the process group: MiniStack, its handlers and their children, even during a generation."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # the group has already exited
        os.killpg(process.pid, number)
