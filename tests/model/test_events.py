"""Every sample event and every bad request through the real handlers, with the demo model and AWS mocked by moto."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.bad_requests import BAD_REQUESTS
from tests.support.expectations import EVENTS, EXPECTATIONS, load, outcome
from tests.support.handlers import invoke, wired_handlers


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with wired_handlers():
        yield


def test_every_event_has_an_expectation_and_vice_versa() -> None:
    assert {file.name for file in EVENTS.glob("*.json")} == set(EXPECTATIONS)


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_each_event_gets_the_expected_answer(name: str) -> None:
    expected = EXPECTATIONS[name]
    answer = invoke(expected.function, load(name))
    assert outcome(answer) == (expected.status, expected.code)
    assert json.dumps(answer)


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_each_bad_request_is_rejected(name: str) -> None:
    bad = BAD_REQUESTS[name]
    answer = invoke(bad.expected.function, bad.event)
    assert outcome(answer) == (bad.expected.status, bad.expected.code)
    assert json.dumps(answer)


def test_the_service_still_answers_after_all_events() -> None:
    assert outcome(invoke("Generator", {"warmup": True}))[0] == 200
