"""Lifecycle of a local stack, and the file through which other processes find it."""

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

from imagegen.catalog import manifest
from imagegen.catalog.registry import REGISTRY
from tools.local.adapt import LocalReceiver
from tools.local.client import Client
from tools.local.deploy import deploy
from tools.local.endpoint import Endpoint
from tools.local.process import ROOT, StackError, ministack

LOCAL: Final = ROOT / ".local"
ENDPOINT_FILE: Final = LOCAL / "endpoint.json"
"""Written by `make serve` while its stack runs."""
_HEALTHY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Stack:
    """A deployed, healthy stack."""

    endpoint: Endpoint
    process: subprocess.Popen[bytes]


@contextmanager
def local_stack(port: int, log: Path | None = None, receiver: LocalReceiver | None = None) -> Iterator[Stack]:
    """Start MiniStack on `port`, deploy the template and wait until GET /health answers; stop everything on exit.

    Output of MiniStack and the functions goes to `log`, or to the caller's stdout and stderr. Raises StackError.
    """
    model = model_id()
    _require_model(model)
    LOCAL.mkdir(exist_ok=True)
    with ministack(port, LOCAL / f"stack-{port}", log) as running:
        endpoint = deploy(running.url, ROOT, models_dir(), model, receiver)
        _wait_until_healthy(Client(endpoint))
        yield Stack(endpoint, running.process)


def model_id() -> str:
    """Return the model to offer: MODEL, or the demo model."""
    return os.environ.get("MODEL") or "demo"


def models_dir() -> Path:
    """Return the folder of prepared models: MODELS_DIR, or .local/models."""
    return Path(os.environ.get("MODELS_DIR", LOCAL / "models")).resolve()


def running_endpoint() -> Endpoint | None:
    """Return the endpoint of the stack that `make serve` runs, or None if none is healthy."""
    try:
        endpoint = Endpoint(**json.loads(ENDPOINT_FILE.read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # absent, or damaged by a process that was killed
        return None
    return endpoint if Client(endpoint).healthy() else None


@contextmanager
def published_endpoint(endpoint: Endpoint) -> Iterator[None]:
    """Write ENDPOINT_FILE, and remove it on exit."""
    text = json.dumps(asdict(endpoint), indent=2) + "\n"
    draft = ENDPOINT_FILE.with_suffix(f".{os.getpid()}")
    draft.write_text(text)
    draft.replace(ENDPOINT_FILE)  # atomic: a reader sees the whole file or none
    try:
        yield
    finally:
        if ENDPOINT_FILE.exists() and ENDPOINT_FILE.read_text() == text:  # a later stack may have replaced it
            ENDPOINT_FILE.unlink()


def _require_model(model: str) -> None:
    """Raise StackError at once for what the functions would only log: an unknown model, or one without its files."""
    if model not in REGISTRY:
        raise StackError(f"MODEL={model} is not in the registry. Choose one of {', '.join(REGISTRY)}.")
    if not any((models_dir() / model / engine / manifest.NAME).is_file() for engine in ("openvino", "torch")):
        raise StackError(f"{model} is not in {models_dir()}. Prepare it: make model MODEL={model}")


def _wait_until_healthy(client: Client) -> None:
    end = time.monotonic() + _HEALTHY_SECONDS
    while not client.healthy():
        if time.monotonic() > end:
            raise StackError(f"GET {client.base_url}/health did not answer 200 within {_HEALTHY_SECONDS:.0f} s.")
        time.sleep(0.1)
