"""Linters on template.yaml and on SAM's translation of it."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from cfnlint.api import ManualArgs, lint

from tests.support import sam as sam_cli
from tests.support.evaluate import Template
from tests.template.conftest import REGION
from tools.local.process import ROOT

ONLY_AFTER_TRANSLATION = ["W2001", "W3005"]
"""SAM copies some parameters' values into its output, which leaves the parameters unused, and repeats dependencies."""
IGNORED_IN_SOURCE = ["W1033"]
"""By the template's own metadata, which says why, and which a configuration replaces."""


def test_source_is_clean() -> None:
    assert lint((ROOT / "template.yaml").read_text(), regions=[REGION]) == []


def test_translation_is_clean(template: Template) -> None:
    config = ManualArgs(regions=[REGION], ignore_checks=ONLY_AFTER_TRANSLATION + IGNORED_IN_SOURCE)
    assert lint(json.dumps(template), config=config) == []


def test_sam_validate_passes() -> None:
    if not sam_cli.COMMAND.exists():
        pytest.skip("the AWS SAM CLI is not installed: `make test` installs it")
    command = [str(sam_cli.COMMAND), "validate", "--lint", "--region", REGION]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"SAM_CLI_TELEMETRY": "0"}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
