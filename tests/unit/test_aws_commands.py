"""Every AWS command in a document or the template has an operation and options that AWS knows, by botocore's models."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from botocore import xform_name
from botocore.session import Session

from tests.conftest import ROOT

PLACES = [
    "README.md",
    "CONTRIBUTING.md",
    "template.yaml",
    *sorted(
        str(each.relative_to(ROOT)) for pattern in ("*.md", "runbooks/*.md") for each in ROOT.glob(f"docs/{pattern}")
    ),
]
GLOBAL_OPTIONS = {"query", "output", "region", "profile"}
OF_THE_CLI_ONLY = {("ecr", "get-login-password")}
"""Commands that the CLI adds to AWS's operations, in each of its versions."""


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words after `aws` of each command, which ends with its line, a pipe, a parenthesis or a backtick."""
    joined = re.sub(r"\\?\n\s*(?=--)", " ", text)
    for found in re.findall(r"(?<![\w./-])aws ((?:[a-z0-9-]+) (?:[a-z0-9-]+)(?: [^\n|`;]*)?)", joined):
        words = re.sub(r"\$\(.*?\)", "X", found.split(")\n")[0])
        yield words.rstrip(")").split()


def all_commands() -> list[tuple[str, list[str]]]:
    found = [(place, words) for place in PLACES for words in commands((ROOT / place).read_text())]
    return [(place, words) for place, words in found if words[0] in Session().get_available_services()]


def test_the_runbooks_and_the_tutorial_have_commands() -> None:
    operations = {(words[0], words[1]) for _, words in all_commands()}
    assert {("sqs", "start-message-move-task"), ("lambda", "update-event-source-mapping")} < operations
    assert {place for place, _ in all_commands()} >= {"README.md", "docs/operations.md", "template.yaml"}


@pytest.mark.parametrize(("place", "words"), all_commands())
def test_a_command_has_an_operation_and_options_of_aws(place: str, words: list[str]) -> None:
    service, operation, *rest = words
    if (service, operation) in OF_THE_CLI_ONLY:
        return
    model = Session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names
    shape = model.operation_model(names[operation]).input_shape
    assert shape is not None
    known = {xform_name(member, "-") for member in shape.members}
    used = {word.removeprefix("--").partition("=")[0] for word in rest if word.startswith("--")} - GLOBAL_OPTIONS
    assert {name if name in known else name.removeprefix("no-") for name in used} <= known
    assert {xform_name(member, "-") for member in shape.required_members} <= used


def test_messages_are_moved_to_a_named_queue() -> None:
    """SQS does not know the source of a message that the function buried with SendMessage."""
    moves = [words for _, words in all_commands() if words[1] == "start-message-move-task"]
    assert len(moves) == 2
    assert all("--destination-arn" in words for words in moves)
