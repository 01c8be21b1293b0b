"""Every sample event in a container of its own, with the expected answer."""

from __future__ import annotations

import pytest

from tests.container.sam import ENGINES, Sam
from tests.expectations import EVENTS, EXPECTATIONS, expectations, outcome

pytestmark = pytest.mark.container


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_event(sam: Sam, name: str) -> None:
    expected = expectations(ENGINES)[name]

    answer = sam.invoke(expected.function, EVENTS / name)

    assert outcome(answer) == (expected.status, expected.code)
