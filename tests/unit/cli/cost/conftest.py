"""Runs `imagegen cost --json` in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from imagegen_cli.main import run

Cost = Callable[..., dict[str, Any]]


@pytest.fixture
def cost(capsys: pytest.CaptureFixture[str]) -> Cost:
    """Return a function from the command's options to its document."""

    def priced(*options: str) -> dict[str, Any]:
        code = run(["cost", "--json", *options])
        written = capsys.readouterr()
        assert code == 0, written.err
        document: dict[str, Any] = json.loads(written.out)
        return document

    return priced


def monthly(document: dict[str, Any], choice: str) -> float:
    """Return what the choice costs a month, in USD."""
    (found,) = [each for each in document["choices"] if each["id"] == choice]
    return float(found["monthly_usd"])


def between(document: dict[str, Any], below: str, above: str) -> int:
    """Return the images from which `above` is cheaper than `below`."""
    (found,) = [each for each in document["break_even"] if (each["below"], each["above"]) == (below, above)]
    return int(found["images"])
