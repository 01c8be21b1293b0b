"""Runs models/prepare.py as `make model` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def prepare(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "models.prepare", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "function"), **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
