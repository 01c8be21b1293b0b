"""Runs `python -m models.prepare` in a child process, as `make model` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def prepare(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it with additional environment variables. Does not raise if the command fails."""
    return subprocess.run(
        [sys.executable, "-m", "models.prepare", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "function"), **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
