"""Every sample event in a container of its own, with the expected answer."""

from __future__ import annotations

import pytest

from tests.container.sam import ENGINES, Sam
from tests.expectations import EVENTS, events_of, expectations, outcome

pytestmark = pytest.mark.container


# Those of the other functions need queues as well as S3: tests/integration runs them.
@pytest.mark.parametrize("name", events_of("Generator", "Api"))
def test_event(sam: Sam, name: str) -> None:
    expected = expectations(ENGINES)[name]

    answer = sam.invoke(expected.function, EVENTS / name)

    assert outcome(answer) == (expected.status, expected.code)
