"""The linters that users of the document run report nothing."""

from __future__ import annotations

from tests.support.node import CLIENTS, run
from tools import openapi


def test_redocly_reports_nothing() -> None:
    run("redocly", "lint", "--config", str(CLIENTS / "redocly.yaml"), "--max-problems", "1000", str(openapi.FILE))


def test_spectral_reports_nothing() -> None:
    ruleset = str(CLIENTS / "spectral.yaml")
    printed = run("spectral", "lint", "--ruleset", ruleset, "--fail-severity", "hint", str(openapi.FILE))
    assert "No results" in printed
