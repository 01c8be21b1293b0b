"""What make passes to the programs behind its targets, and what they reject before they start a stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.local.process import ROOT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "not a port"), (["--port", "-5"], "not a port"), (["--port", "abc"], "not a port"),
        (["--receiver", "hooks.example.com"], "given together"), (["--receiver-ca", "Makefile"], "not a PEM file"),
        (["--receiver", "hooks.example.com", "--receiver-ca", "/nope.pem"], "not a PEM file"),
        (["--receiver", "https://x/"], "not a host name"), (["--receiver", "localhost"], "not a host name"),
    ],
)  # fmt: skip
def test_serve_reports_a_wrong_argument_before_it_starts(arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "tools.local.serve", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("value", ["--help", "-x", "a  b", "$5 $(whoami) `id`", "\"quoted\" 'value' #1", "~/*.png"])
@pytest.mark.parametrize(
    ("target", "names"), [("run", ("PROMPT", "SEED", "OUT")), ("serve", ("PORT", "RECEIVER", "RECEIVER_CA"))]
)
def test_make_passes_every_value_to_the_program_as_one_argument(
    tmp_path: Path, target: str, names: tuple[str, ...], value: str
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    command = ["make", "-s", target, f"BIN={tmp_path}", *(f"{name}={value}" for name in names)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    expected = [f"--{name.lower().replace('_', '-')}={value}" for name in names]
    assert done.stdout.splitlines()[-3:] == expected


def test_a_prompt_without_quotes_is_reported_before_the_first_word_is_drawn() -> None:
    command = ["make", "-s", "run", "PROMPT=a", "blue", "star"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'Put a prompt in quotes: make run PROMPT="a blue star"' in done.stderr


@pytest.mark.parametrize("prompt", ["$5 and $(whoami) and ${HOME} and `id`", "a \"quoted\" 'prompt' #1", ""])
def test_make_passes_a_prompt_as_it_is(prompt: str) -> None:
    printed = subprocess.run(
        ["make", "-s", "-f", "Makefile", "-f", "-", "print-prompt", f"PROMPT={prompt}"],
        input="print-prompt:\n\t@printf '%s' \"$$PROMPT\"\n",
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert printed.stdout == prompt
