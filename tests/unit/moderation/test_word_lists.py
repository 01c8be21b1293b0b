from __future__ import annotations

import json
from typing import Any

import pytest

from imagegen.moderation.prompt_rules import PromptRules
from imagegen.moderation.term import Term
from imagegen.moderation.word_lists import MAX_BYTES, InvalidLists, WordLists, packaged

MINIMAL: dict[str, Any] = {"version": "7", "categories": {"brands": ["acme"]}}


def test_a_minimal_document_replaces_everything() -> None:
    rules = PromptRules(WordLists.parse(json.dumps(MINIMAL)))
    assert rules.version == "7"
    assert rules.category("an A.C.M.E. rocket", "") == "brands"
    assert rules.category("a nude woman", "") is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"version": ""}, "version"),
        ({"version": 7}, "version"),
        ({"categories": {}}, "categories"),
        ({"categories": {"Brands": ["acme"]}}, "categories"),
        ({"categories": {"brands": ["secretword!"]}}, "categories.brands.0"),
        ({"categories": {"brands": ["ab*"]}}, "categories.brands.0"),
        ({"categories": {"brands": ["... secretword"]}}, "categories.brands.0"),
        ({"categories": {"brands": ["secretword\u0436"]}}, "categories.brands.0"),
        ({"categories": {"brands": "acme"}}, "categories.brands"),
        ({"categories": {"brands": ["x" * 65]}}, "categories.brands.0"),
        ({"groups": {"brands": ["other"]}}, "document"),
        ({"combinations": [{"category": "brands", "prompt": ["unknown"]}]}, "document"),
        ({"combinations": [{"category": "unknown", "prompt": ["brands"]}]}, "document"),
        ({"ages": {"group": "unknown", "below": 18}}, "document"),
        ({"near": [{"terms": ["acme"], "words": 0, "to": ["anvil"]}]}, "near.0.words"),
        ({"secretword": 1}, "secretword"),
    ],
)
def test_an_invalid_document_is_refused_with_the_place_and_without_its_terms(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidLists) as caught:
        WordLists.parse(json.dumps(MINIMAL | changes))
    assert caught.value.reason.startswith(named)
    assert named == "secretword" or "secretword" not in caught.value.reason


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"version": "1"}', b"[" * 100_000, b" " * (MAX_BYTES + 1)],
)
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidLists):
        WordLists.parse(document)


def test_the_terms_of_the_package_are_each_found() -> None:
    lists = packaged()
    rules = PromptRules(lists.model_copy(update={"innocent": (), "near": ()}))
    terms = [(name, each) for name, listed in lists.categories.items() for each in listed]
    missed = [each for name, each in terms if rules.category(each.replace("*", "").replace("...", "the"), "") is None]
    assert missed == []


def test_a_term_is_read_like_a_prompt() -> None:
    assert Term.parse("Ñude  WOMAN") == Term(words=("nude", "woman"))
    assert Term.parse("裸體") == Term.parse("裸体") == Term(han="裸体")
    assert Term.parse("cut ... wrist*") == Term(words=("cut", "...", "wrist*"))
