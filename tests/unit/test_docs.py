"""Documentation that can be compared with the code."""

from __future__ import annotations

import re

from imagegen.settings import Settings
from tests.conftest import ROOT
from tests.unit.test_errors import LEAVES

NEVER_SENT = {"invalid_request", "job_failed"}
"""Responses have the code of the field error or of the job error instead."""
README = (ROOT / "README.md").read_text()


def default_of(name: str) -> str:
    field = Settings.model_fields[name]
    if field.is_required():
        return "required"
    value = field.default
    return (
        f"`{','.join(value) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else value}`"
    )


def test_the_settings_table_matches_the_settings() -> None:
    table = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \|$", README, re.MULTILINE)
    settings = [(name.upper(), default_of(name), field.description) for name, field in Settings.model_fields.items()]
    assert table == settings


def test_every_path_in_the_readme_exists() -> None:
    paths = re.findall(r"`((?:function|layers|tests|docs|events)/[\w./-]*)`", README) + re.findall(
        r"\]\(([\w./-]+)\)", README
    )
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_make_target_in_the_documentation_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documents = [README, *(file.read_text() for file in (ROOT / "docs").glob("*.md"))]
    named = {target for document in documents for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", document)}
    assert named - targets == set()


def test_every_error_code_is_documented() -> None:
    contract = (ROOT / "docs" / "api.md").read_text()
    assert [error.code for error in LEAVES if error.code not in NEVER_SENT and f"`{error.code}`" not in contract] == []
