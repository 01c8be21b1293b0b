"""Every sample event through `sam local invoke`, each in a new container. tests/model runs the other bad requests."""

from __future__ import annotations

import pytest

from tests.support.expectations import EVENTS, EXPECTATIONS, events_of, outcome
from tests.support.sam import Sam

pytestmark = pytest.mark.container


# No image contains the package that signs webhooks, which is in the layer: tests/integration runs those events.
@pytest.mark.parametrize("name", events_of("Generator", "Worker", "Api", "Sweeper", "DeadLetters"))
def test_each_event_gets_the_expected_answer(sam: Sam, name: str) -> None:
    expected = EXPECTATIONS[name]

    answer = sam.invoke(expected.function, EVENTS / name)

    assert outcome(answer) == (expected.status, expected.code)
