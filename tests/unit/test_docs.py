"""Claims in the documents that a test can compare with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imagegen.errors import InvalidRequest
from imagegen.generation.field_errors import FIELD_CODES
from imagegen.settings import Settings
from tests.conftest import ROOT
from tests.template.test_api import GATEWAY_ERRORS
from tests.unit.test_errors import LEAVES

NEVER_SENT = {"invalid_request", "job_failed"}
"""Their problem documents carry the code of a field's error, or of the job's."""

GUIDES = {
    "README.md": "",
    "CONTRIBUTING.md": "function/imagegen",
    "docs/architecture.md": "function/imagegen",
    "docs/cli.md": "",
    "docs/cost.md": "",
    "docs/deployment.md": "function/imagegen",
    "docs/faults.md": "tools/faults",
    "docs/operations.md": "",
    "docs/scale.md": "",
    "docs/settings.md": "",
    "docs/webhooks.md": "",
}
"""Documents that describe the current tree, and the folder that the modules they name are relative to.

Not here: decisions and the changelog, which are dated and may name what is gone.
"""
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "function" / "models").rglob("README.md"),
]
README_LINES = 120


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def default_of(name: str) -> str:
    field = Settings.model_fields[name]
    if field.is_required():
        return "required"
    value = field.default
    return (
        f"`{','.join(value) if isinstance(value, tuple) else str(value).lower() if isinstance(value, bool) else value}`"
    )


def test_the_settings_table_matches_the_settings() -> None:
    document = (ROOT / "docs" / "settings.md").read_text()
    table = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \|$", document, re.MULTILINE)
    settings = [(name.upper(), default_of(name), field.description) for name, field in Settings.model_fields.items()]
    assert table == settings


@pytest.mark.parametrize("guide", GUIDES)
def test_every_path_that_a_guide_names_exists(guide: str) -> None:
    paths = re.findall(r"`((?:function|layers|tests|tools|docs|events)/[\w./-]*)`", (ROOT / guide).read_text())
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(("guide", "folder"), GUIDES.items())
def test_every_module_that_a_guide_names_exists(guide: str, folder: str) -> None:
    modules = re.findall(r"`([\w/]+\.py)`", (ROOT / guide).read_text())
    assert [name for name in modules if not ((ROOT / name).exists() or (ROOT / folder / name).exists())] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_link_to_a_file_resolves(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    files = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [file for file in files if not (document.parent / file).exists()] == []


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target for document in DOCUMENTS for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", document.read_text())
    }
    assert named - targets == set()


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text())
    assert sorted(listed) == sorted(file.name for file in folder.glob("*.md") if file.name != "README.md")


def test_the_table_of_errors_matches_the_code_and_the_gateway() -> None:
    contract = (ROOT / "docs" / "api.md").read_text()
    rows = re.findall(r"^\| (\d{3}) \| (`.+?`) \| .+ \|$", contract, re.MULTILINE)
    documented = [(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)]
    raised = {(error.status, error.code) for error in LEAVES if error.code not in NEVER_SENT}
    fields = {(InvalidRequest.status, code) for code in FIELD_CODES}
    assert len(set(documented)) == len(documented)
    assert set(documented) == raised | fields | set(GATEWAY_ERRORS.values())


def test_commands_of_the_readme_have_no_comments() -> None:
    """zsh, the shell of macOS, passes `# ...` of a pasted command as arguments."""
    commands = re.findall(r"^\$ (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [command for command in commands if " # " in command] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES
