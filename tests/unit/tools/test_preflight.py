from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import preflight

PLENTY = 10**10


@pytest.mark.parametrize("version", [(3, 11), (3, 13), (4, 0)])
def test_a_machine_that_has_everything_has_no_problem(version: tuple[int, int]) -> None:
    assert preflight.problems(version, "CPython", PLENTY) == []


@pytest.mark.parametrize(
    ("version", "implementation", "found"),
    [((3, 10), "CPython", "CPython 3.10"), ((3, 7), "CPython", "CPython 3.7"), ((3, 11), "PyPy", "PyPy 3.11")],
)
def test_an_interpreter_that_cannot_be_used_is_named_with_the_way_out(
    version: tuple[int, int], implementation: str, found: str
) -> None:
    (problem,) = preflight.problems(version, implementation, PLENTY)
    assert found in problem
    assert "make PYTHON=" in problem


def test_too_little_disk_is_reported_with_both_numbers() -> None:
    (problem,) = preflight.problems((3, 11), "CPython", 1_250_000_000)
    assert "3 GB of disk" in problem
    assert "1.2 GB are free" in problem


def test_an_old_interpreter_can_read_the_check() -> None:
    ast.parse(Path(preflight.__file__).read_text(), feature_version=(3, 7))
