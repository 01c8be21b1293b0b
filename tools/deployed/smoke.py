"""Draw one picture on a deployment with the command line, and check it (`make smoke`)."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import requests

from tools.deployed.endpoint import NoEndpoint, endpoint_of
from tools.local.endpoint import Endpoint

PROMPT: Final = "a small red circle on a white background"
_SIGNED, _UNSIGNED = 0, 13  # exit codes of `imagegen verify` (docs/cli.md)


class SmokeFailed(Exception):
    """The deployment does not do what it should."""


def smoke(endpoint: Endpoint, folder: Path, report: Callable[[str], None]) -> None:
    """Check health, the refusal of a wrong key, the caller, a picture and its content credentials. Raises SmokeFailed.

    Draws a new picture of one image with the model's defaults, which the tenant of the key pays for.
    """
    _require(_status(endpoint, "/health") == 200, "GET /health is not 200")
    report("healthy")
    _require(_status(endpoint, "/me", "not-a-key-of-this-deployment") == 401, "a wrong key is not refused with 401")
    report("a wrong key is refused")
    report(f"the key belongs to the tenant {_imagegen(endpoint, 'me')['tenant']}")
    file = folder / "smoke.png"
    drawn = _imagegen(endpoint, "generate", PROMPT, "--cache", "off", "--out", str(file))
    drawn = drawn.get("result") or drawn  # of a job that the request became
    (image,) = drawn["images"]
    report(f"drew {image['width']} x {image['height']} pixels with {drawn['model']} for {drawn['cost']['usd']:.6f} USD")
    signed = image["content_credentials"]
    _imagegen(endpoint, "verify", str(file), ends=_SIGNED if signed else _UNSIGNED)
    report("its content credentials are valid" if signed else "it is not signed, as the result says")


def _status(endpoint: Endpoint, path: str, key: str | None = None) -> int:
    headers = {} if key is None else {"x-api-key": key}
    try:
        return requests.get(endpoint.base_url + path, headers=headers, timeout=30).status_code
    except requests.RequestException as error:
        raise SmokeFailed(f"GET {path}: {type(error).__name__}") from error


def _imagegen(endpoint: Endpoint, *arguments: str, ends: int = 0) -> Any:
    """Return what the command prints as JSON. Raises SmokeFailed if it does not end with `ends`."""
    access = {"IMAGEGEN_URL": endpoint.base_url, "IMAGEGEN_API_KEY": endpoint.api_key}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEGEN_")}
    command = [sys.executable, "-m", "imagegen_cli", *arguments, "--json"]
    done = subprocess.run(command, env=kept | access, capture_output=True, text=True, check=False)
    _require(done.returncode == ends, f"imagegen {arguments[0]} ends with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def _require(true: bool, problem: str) -> None:
    if not true:
        raise SmokeFailed(problem)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    name: str = parser.parse_args().stack_name
    try:
        with tempfile.TemporaryDirectory() as folder:
            smoke(endpoint_of(name), Path(folder), lambda line: print(f"{name}: {line}"))
    except (SmokeFailed, NoEndpoint) as error:
        sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main()
