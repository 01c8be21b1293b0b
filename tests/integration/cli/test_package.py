"""The distribution: the command line alone, small, and quick to start."""

from __future__ import annotations

import re
import subprocess
import sys
from email import message_from_string
from pathlib import Path

import pytest

from imagegen import __version__
from tests.conftest import ROOT
from tests.integration.cli.conftest import CommandLine

LATER = {"matplotlib", "pydantic", "rich", "tomlkit", "urllib3"}


def test_only_the_command_line_is_installed(script: Path) -> None:
    site = script.parents[1]
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {"bin", "imagegen_cli"}
    assert [path.name for path in script.parent.iterdir()] == ["imagegen"]


def test_it_requires_the_locked_packages(script: Path) -> None:
    (metadata,) = script.parents[1].glob("imagegen_cli-*.dist-info/METADATA")
    requires = message_from_string(metadata.read_text()).get_all("Requires-Dist") or []
    locked = re.findall(r"^([\w-]+==\S+) \\$", (ROOT / "cli" / "requirements.txt").read_text(), re.MULTILINE)
    always = [each for each in requires if "extra ==" not in each]
    assert [each.partition("=")[0] for each in always] == ["rich", "tomlkit", "typer", "urllib3"]
    assert set(always) <= set(locked)


def test_every_locked_package_has_the_version_of_the_other_requirements() -> None:
    def versions(file: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w-]+)==(\S+) \\$", (ROOT / file).read_text(), re.MULTILINE))

    locked = versions("cli/requirements.txt")
    others = versions("function/requirements.txt") | versions("function/requirements-diffusers.txt")
    assert {name: others.get(name, locked[name]) for name in locked} == locked


def test_the_version_is_the_service_s(cli: CommandLine) -> None:
    assert cli.run("--version").stdout == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "later"),
    [
        (["--help"], LATER),
        (["generate", "--help"], LATER - {"pydantic"}),
        (["edit", "--help"], LATER - {"pydantic"}),
        (["batch", "--help"], LATER - {"pydantic"}),
        (["cost", "--help"], LATER - {"pydantic"}),
        (["cost", "--json"], LATER - {"pydantic"}),
        (["profile", "add", "--help"], LATER - {"pydantic"}),
    ],
)
def test_help_imports_typer_and_what_it_needs_for_the_options(
    script: Path, arguments: list[str], later: set[str]
) -> None:
    code = f"import sys; from imagegen_cli.main import run; run({arguments}); print(*sys.modules)"
    environment = {"PYTHONPATH": str(script.parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "typer" in loaded
    assert not loaded & later


def test_the_reference_is_that_of_the_options(tmp_path: Path) -> None:
    written = tmp_path / "reference.md"
    command = [sys.executable, "-m", "typer", "imagegen_cli.main", "utils", "docs", "--name", "imagegen"]
    subprocess.run([*command, "--output", str(written)], check=True, capture_output=True)
    assert written.read_text() == (ROOT / "docs" / "cli-reference.md").read_text(), "run make cli-reference"


def test_without_a_command_the_help_is_shown(cli: CommandLine) -> None:
    done = cli.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == cli.run("--help").stdout
