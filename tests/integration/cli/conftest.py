"""The console script, installed from its wheel, and a server in the place of a deployment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.support.api_server import ApiServer, serving

KEY = "key-that-must-not-be-shown"
SECONDS = 120
"""Limit on a command, which ends a test that hangs."""


@dataclass
class CommandLine:
    """Runs `imagegen` as a process in a folder of its own, with nothing of this one's environment."""

    script: Path
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. It must never show the key."""
        command, settings = self._command(arguments, variables)
        done = subprocess.run(
            command, input=stdin, text=True, capture_output=True, timeout=SECONDS, check=False, **settings
        )
        assert KEY not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def times_out(self, server: ApiServer, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command with a `--timeout` in which it sends a request to `path`: a busy machine needs a longer one."""
        for seconds in (1, 5, 25):
            server.received.clear()
            done = self.run(*arguments, "--timeout", str(seconds))
            if path in {each.path for each in server.received}:
                break
        return done

    def start(
        self, *arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        command, settings = self._command(arguments, {})
        return subprocess.Popen(command, text=True, stdout=stdout, stderr=stderr, **settings)

    def _command(self, arguments: tuple[str, ...], variables: dict[str, str]) -> tuple[list[str], dict[str, Any]]:
        own = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(self.script.parents[1])}
        return [str(self.script), *arguments], {"cwd": self.folder, "env": own | self.variables | variables}

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, install it into an empty folder, and return the path of its console script."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "pyproject.toml", source)
    shutil.copytree(ROOT / "cli", source / "cli", ignore=shutil.ignore_patterns("__pycache__"))  # pip writes into it
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*install, "--target", str(site), f"{source}[cli]"], check=True, timeout=300)
    return site / "bin" / "imagegen"


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving(ApiServer()) as running:
        yield running


@pytest.fixture
def cli(script: Path, tmp_path: Path) -> CommandLine:
    """The command line of a user who has configured nothing."""
    return CommandLine(script, tmp_path)


@pytest.fixture
def ready(cli: CommandLine, server: ApiServer) -> CommandLine:
    """The command line, with the server as its deployment."""
    cli.variables |= {"IMAGEGEN_URL": server.api, "IMAGEGEN_API_KEY": KEY}
    return cli
