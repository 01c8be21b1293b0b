"""A sample of `make demo-accuracy`: the demo model follows its captions at its default number of steps."""

from __future__ import annotations

import pytest

from imagegen.generation.ports import Engine
from tools.accuracy.measure import measure

SAMPLE = 40


@pytest.mark.parametrize(("two", "least"), [(False, 0.95), (True, 0.90)], ids=["one object", "two objects"])
def test_accuracy_on_held_out_captions(engine: Engine, two: bool, least: float) -> None:
    tally = measure(engine, two=two, count=SAMPLE)
    assert tally.right >= least, tally.wrong
