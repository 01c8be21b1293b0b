"""Sample events and bad requests that need no model, through the real handlers and wiring. tests/model runs all."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.bad_requests import BAD_REQUESTS
from tests.support.expectations import EXPECTATIONS, load, outcome
from tests.support.handlers import invoke, wired_handlers
from tests.support.library_messages import foreign_phrases

EVENTS_WITHOUT_A_MODEL = [
    name
    for name, expected in EXPECTATIONS.items()
    if expected.function != "Generator"
    or expected.status >= 400
    or name in ("generate-respond-async.json", "verify.json")
]


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with wired_handlers():
        yield


@pytest.mark.parametrize("name", EVENTS_WITHOUT_A_MODEL)
def test_each_event_gets_the_expected_answer(name: str) -> None:
    expected = EXPECTATIONS[name]
    assert outcome(invoke(expected.function, load(name))) == (expected.status, expected.code)


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_each_bad_request_is_rejected(name: str) -> None:
    bad = BAD_REQUESTS[name]
    answer = invoke(bad.expected.function, bad.event)
    assert outcome(answer) == (bad.expected.status, bad.expected.code)
    problem = json.loads(answer["body"])
    assert problem["detail"]
    assert [error["field"] for error in problem["errors"]] == list(bad.fields)
    assert foreign_phrases(answer["body"]) == []
