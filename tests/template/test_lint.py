"""The linters' verdict, on what we wrote and on what SAM makes of it."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from cfnlint.api import ManualArgs, lint

from tests.support.evaluate import Template
from tests.template.conftest import REGION, ROOT

SAM = ROOT / ".local" / "sam" / "bin" / "sam"
ONLY_AFTER_TRANSLATION = ["W2001", "W3005"]
"""SAM writes some parameters' values into its output, where they are unused then, and names dependencies twice."""


def test_source_is_clean() -> None:
    assert lint((ROOT / "template.yaml").read_text(), regions=[REGION]) == []


def test_translation_is_clean(template: Template) -> None:
    config = ManualArgs(regions=[REGION], ignore_checks=ONLY_AFTER_TRANSLATION)
    assert lint(json.dumps(template), config=config) == []


def test_sam_finds_it_valid() -> None:
    if not SAM.exists():
        pytest.skip("the SAM command line is not installed: make test installs it")
    command = [str(SAM), "validate", "--lint", "--region", REGION]
    answer = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"SAM_CLI_TELEMETRY": "0"}, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
