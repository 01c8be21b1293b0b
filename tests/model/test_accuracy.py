"""A sample of `make demo-accuracy`: the demo model draws what it is told, at its default steps."""

from __future__ import annotations

import pytest

from imagegen.ports import Engine
from tools.accuracy.measure import measure

SAMPLE = 40


@pytest.mark.parametrize(("two", "least"), [(False, 0.95), (True, 0.90)], ids=["one object", "two objects"])
def test_held_out_captions_are_drawn_right(engine: Engine, two: bool, least: float) -> None:
    tally = measure(engine, two=two, count=SAMPLE)
    assert tally.right >= least, tally.wrong
