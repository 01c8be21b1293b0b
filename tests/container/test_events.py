"""Every sample event, each in a new container, returns the expected result."""

from __future__ import annotations

import pytest

from tests.support.expectations import EVENTS, events_of, expectations, outcome
from tests.support.sam import ENGINES, Sam

pytestmark = pytest.mark.container


# Webhooks needs a signing package that only the layer has, not the image: tests/integration runs its events.
@pytest.mark.parametrize("name", events_of("Generator", "Worker", "Api", "Sweeper", "DeadLetters"))
def test_event(sam: Sam, name: str) -> None:
    expected = expectations(ENGINES)[name]

    result = sam.invoke(expected.function, EVENTS / name)

    assert outcome(result) == (expected.status, expected.code)
