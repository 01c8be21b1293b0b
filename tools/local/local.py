"""A local stack from start to end, and the file that tells others where it is."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tools.local.adapt import LocalReceiver
from tools.local.client import Client
from tools.local.deploy import deploy
from tools.local.endpoint import Endpoint
from tools.local.process import ROOT, StackError, ministack

LOCAL: Final = ROOT / ".local"
ENDPOINT_FILE: Final = LOCAL / "endpoint.json"
_HEALTHY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Stack:
    """A deployed stack that answers."""

    endpoint: Endpoint
    process: subprocess.Popen[bytes]


@contextmanager
def local_stack(port: int, log: Path | None = None, receiver: LocalReceiver | None = None) -> Iterator[Stack]:
    """Start MiniStack on `port`, deploy the template, wait until GET /health answers; end everything on the way out.

    What MiniStack and the functions print goes to `log`, or to the caller's own output. Raises StackError.
    """
    LOCAL.mkdir(exist_ok=True)
    with ministack(port, LOCAL / f"stack-{port}", log) as running:
        endpoint = deploy(running.url, ROOT, models_dir(), os.environ.get("MODEL") or "demo", receiver)
        _wait_until_healthy(Client(endpoint))
        yield Stack(endpoint, running.process)


def models_dir() -> Path:
    """MODELS_DIR, as for the functions themselves, or where `make` prepares models."""
    return Path(os.environ.get("MODELS_DIR", LOCAL / "models")).resolve()


def announced() -> Endpoint | None:
    """The stack that `make serve` keeps, if it answers."""
    try:
        endpoint = Endpoint(**json.loads(ENDPOINT_FILE.read_text()))
    except FileNotFoundError:
        return None
    return endpoint if Client(endpoint).healthy() else None


@contextmanager
def announcement(endpoint: Endpoint) -> Iterator[None]:
    """Tell others where the stack is, for as long as it is there."""
    text = json.dumps(asdict(endpoint), indent=2) + "\n"
    draft = ENDPOINT_FILE.with_suffix(f".{os.getpid()}")
    draft.write_text(text)
    draft.replace(ENDPOINT_FILE)  # a reader sees the whole file or none
    try:
        yield
    finally:
        if ENDPOINT_FILE.exists() and ENDPOINT_FILE.read_text() == text:  # not a later stack's
            ENDPOINT_FILE.unlink()


def _wait_until_healthy(client: Client) -> None:
    end = time.monotonic() + _HEALTHY_SECONDS
    while not client.healthy():
        if time.monotonic() > end:
            raise StackError(f"GET {client.base_url}/health did not answer 200 within {_HEALTHY_SECONDS:.0f} s.")
        time.sleep(0.1)
