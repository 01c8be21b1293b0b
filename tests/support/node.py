"""Programs of tests/clients/package.json, which `make test` installs into .local/node."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT

CLIENTS: Final = ROOT / "tests" / "clients"
NODE: Final = ROOT / ".local" / "node"
OLDEST: Final = (20, 19)
"""What the linters need."""


def run(*command: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program of the packages, or node itself, and return what it printed. Skips the test without Node.js."""
    if _version() < OLDEST:
        pytest.skip(f"needs Node.js {'.'.join(map(str, OLDEST))} or newer")
    if not (NODE / ".ready").exists():
        pytest.skip("needs the packages of tests/clients: make .local/node/.ready")
    path = f"{NODE / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
    quiet = {"PATH": path, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **quiet, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def project(*sources: Path) -> Iterator[Path]:
    """A folder with copies of the sources, from which Node.js finds the packages."""
    NODE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=NODE) as folder:
        for source in sources:
            shutil.copy(source, folder)
        yield Path(folder)


def _version() -> tuple[int, ...]:
    if shutil.which("node") is None:
        return (0, 0)
    printed = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.findall(r"\d+", printed)[:2]))
