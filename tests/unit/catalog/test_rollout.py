"""The document that names the default and the versions on offer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegen.catalog.rollout import MAX_CHARACTERS, InvalidRollout, Release, Rollout

A, B = Release("demo", "a" * 64), Release("sd-turbo", "b" * 64)
ROLLOUT = Rollout(A.version, B.version, {"stable": A.version}, (A, B))


def test_a_rollout_survives_writing_and_reading() -> None:
    assert Rollout.parse(ROLLOUT.dump()) == ROLLOUT
    assert Rollout.parse(Rollout().dump()) == Rollout()
    assert Rollout.parse('{"format": 1}') == Rollout()


def test_a_version_is_found_by_its_name() -> None:
    assert ROLLOUT.release("demo@aaaaaaaaaaaa") == A
    assert ROLLOUT.release("demo@aaaaaaaaaaab") is None
    assert A.prefix == "models/demo/aaaaaaaaaaaa/"


def document(**changes: Any) -> str:
    return json.dumps({"format": 1, "default": A.version, "versions": [str(A)], **changes})


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", '"demo"', "[" * 100_000, "{}"),
        document(format=2),
        document(format="1"),
        document(defualt=A.version),
        document(default=None),
        document(default="demo"),
        document(default=str(A)),
        document(default="demo@AAAAAAAAAAAA"),
        document(default="demo@aaaaaaaaaaaa\n"),
        document(default="../demo@aaaaaaaaaaaa"),
        document(previous=7),
        document(versions="demo"),
        document(versions=[7]),
        document(versions=[A.version]),
        document(versions=[f"../{A}"]),
        document(versions=[f"a/b@{'a' * 64}"]),
        document(versions=[str(A), str(A)]),
        document(versions=[str(A), f"demo@{'a' * 12}{'b' * 52}"]),
        document(aliases=[]),
        document(aliases={"Stable": A.version}),
        document(aliases={"a@b": A.version}),
        document(aliases={"": A.version}),
        document(aliases={"stable": "demo"}),
        document(aliases={"stable": ""}),
        document(aliases={"default": A.version}),
        document(aliases={"sd-1.5": A.version}),
    ],
)
def test_whatever_is_no_rollout_is_refused(text: str) -> None:
    with pytest.raises(InvalidRollout):
        Rollout.parse(text)


def test_a_switch_remembers_what_it_replaced_and_switching_back_is_a_switch() -> None:
    rollout = Rollout().offering(A).offering(B).offering(A)
    assert rollout.releases == (A, B)
    first = rollout.switched(A.version)
    second = first.switched(B.version)
    back = second.switched(second.previous)
    assert (first.previous, second.default, second.previous) == ("", B.version, A.version)
    assert (back.default, back.previous, back.releases) == (A.version, B.version, (A, B))
    assert second.switched(B.version) == second
    assert first.switched("") == Rollout("", A.version, {}, (A, B))


def test_more_versions_than_a_parameter_holds_are_refused_with_the_way_out() -> None:
    rollout = Rollout(releases=tuple(Release("sd-turbo", f"{number:064x}") for number in range(60)))
    with pytest.raises(InvalidRollout, match="retire a version"):
        rollout.dump()
    forty = Rollout(A.version, B.version, {}, rollout.releases[:40])
    assert len(forty.dump()) <= MAX_CHARACTERS
