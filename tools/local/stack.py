"""Lifecycle of a local stack, and the file through which other processes find it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from imagegen.catalog import manifest
from imagegen.catalog.registry import REGISTRY
from imagegen.errors import ModelUnavailable
from imagegen_cli.whole_file import whole_file
from tools.local.client import Client
from tools.local.deploy import NOTHING, Options, deploy
from tools.local.endpoint import Endpoint
from tools.local.process import ROOT, Output, StackError, ministack

LOCAL: Final = ROOT / ".local"
ENDPOINT_FILE: Final = LOCAL / "endpoint.json"
"""Written by `make serve` while its stack runs."""
_HEALTHY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Stack:
    """A deployed, healthy stack."""

    endpoint: Endpoint
    operator_key: str = field(repr=False)
    process: subprocess.Popen[bytes]


@contextmanager
def local_stack(port: int, output: Output, options: Options = NOTHING, data: Path | None = None) -> Iterator[Stack]:
    """Start MiniStack on `port`, deploy the template and wait until GET /health answers; stop everything on exit.

    What callers store, both keys and the webhook secret are kept in the folder `data`, if given. Raises StackError.
    """
    model = model_id()
    _require_model(model)
    LOCAL.mkdir(exist_ok=True)
    with ministack(port, LOCAL / f"stack-{port}", output, data) as running:
        deployed = deploy(running.url, ROOT, models_dir(), model, options)
        _wait_until_healthy(Client(deployed.endpoint))
        yield Stack(deployed.endpoint, deployed.operator_key, running.process)


def model_id() -> str:
    """Return the model to offer: MODEL, or the demo model."""
    return os.environ.get("MODEL") or "demo"


def models_dir() -> Path:
    """Return the folder of prepared models: MODELS_DIR, or .local/models."""
    return Path(os.environ.get("MODELS_DIR", LOCAL / "models")).resolve()


def running_endpoint() -> Endpoint | None:
    """Return the endpoint of the stack that `make serve` runs, or None if none answers."""
    endpoint = read_endpoint()
    return endpoint if endpoint and Client(endpoint).accepted() else None


def read_endpoint() -> Endpoint | None:
    """Return what ENDPOINT_FILE holds: also of a stack that was killed. None if it is absent or damaged."""
    try:
        return Endpoint(**json.loads(ENDPOINT_FILE.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


@contextmanager
def published_endpoint(endpoint: Endpoint) -> Iterator[None]:
    """Write ENDPOINT_FILE. On exit, leave it to the stack that was running before, if that still runs."""
    earlier = running_endpoint()
    _publish(endpoint)
    try:
        yield
    finally:
        if read_endpoint() == endpoint:  # otherwise a later stack has replaced it
            if earlier and Client(earlier).accepted():
                _publish(earlier)
            else:
                ENDPOINT_FILE.unlink(missing_ok=True)


def _publish(endpoint: Endpoint) -> None:
    text = json.dumps(asdict(endpoint), indent=2) + "\n"
    with whole_file(ENDPOINT_FILE) as file:
        file.write(text.encode())


def _require_model(model: str) -> None:
    """Raise StackError at once for what the functions would only log: an unknown model, or one without its files."""
    if model not in REGISTRY:
        raise StackError(f"MODEL={model} is not in the registry. Choose one of {', '.join(REGISTRY)}.")
    folders = [models_dir() / model / engine for engine in ("openvino", "torch")]
    prepared = [folder for folder in folders if (folder / manifest.NAME).is_file()]
    if not prepared:
        raise StackError(f"{model} is not in {models_dir()}. Prepare it: make model MODEL={model}")
    try:
        for folder in prepared:
            manifest.prepared_with(folder)
    except ModelUnavailable as error:
        raise StackError(f"{error.private}. Prepare it again: make model MODEL={model}") from error


def _wait_until_healthy(client: Client) -> None:
    end = time.monotonic() + _HEALTHY_SECONDS
    while not client.healthy():
        if time.monotonic() > end:
            raise StackError(f"GET {client.base_url}/health did not answer 200 within {_HEALTHY_SECONDS:.0f} s.")
        time.sleep(0.1)
