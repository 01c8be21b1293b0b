"""Steps x strength on both engines: a picture or a refusal of the strength, never another error.

A sample of what `tests/unit/engines/test_strength_grid.py` plans in full.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import pytest

from imagegen.engines.guard import GuardedEngine
from imagegen.errors import InvalidRequest
from imagegen.generation.ports import Engine
from imagegen.generation.request import GenerateRequest
from imagegen.generation.spec import GenerationSpec
from tests.model.conftest import DEMO
from tests.support.plans import PLANNER
from tests.support.scenes import BLUE, circle, mask, picture

CORNERS: Final = [(1, 0.01), (1, 1.0), (100, 0.01), (100, 1.0)]
FIRST_STEPS: Final = [
    (2, 0.5),
    (3, 0.33),
    (3, 0.34),
    (4, 0.25),
    (9, 0.11),
    (9, 0.12),
    (50, 0.02),
    (50, 0.58),
    (99, 0.01),
]
"""Just below and just above the least strength, and a product that rounding takes below a whole number of steps."""
PICTURES: Final = [(picture(circle(BLUE)), None), (picture(circle(BLUE)), picture(mask((0, 0, 64, 128))))]


def cells() -> Iterator[tuple[int, int, float]]:
    """Yield numbered cells: the corners, where the first step begins, and 47 of the others, mostly short runs."""
    rng = random.Random(18)
    others = [(rng.randint(1, 100), rng.randint(1, 100) / 100) for _ in range(14)]
    short = [(rng.randint(1, 20), rng.randint(1, 30) / 100) for _ in range(33)]
    for index, (steps, strength) in enumerate([*CORNERS, *FIRST_STEPS, *others, *short]):
        yield index, steps, strength


def planned(index: int, steps: int, strength: float) -> GenerationSpec | None:
    """Return the plan, every other one with a mask, each with the next scheduler, or None if it is refused."""
    body = {"prompt": "a red circle", "image": "its name", "num_inference_steps": steps, "strength": strength}
    fixed = {"guidance_scale": 1.0, "seed": index, "width": 120, "height": 120}
    request = GenerateRequest.parse({**body, **fixed, "scheduler": DEMO.schedulers[index % len(DEMO.schedulers)]})
    try:
        return PLANNER.plan(request, PICTURES[index % 2]).spec
    except InvalidRequest as error:
        assert [(each.field, each.code) for each in error.errors] == [("strength", "out_of_range")]
        return None


def test_every_cell_is_a_picture_or_a_refusal(engine: Engine) -> None:
    refused = []
    for index, steps, strength in cells():
        spec = planned(index, steps, strength)
        if spec is None:
            refused.append((steps, strength))
            continue
        reported: list[int] = []
        (image,) = GuardedEngine(engine).generate(spec, lambda step, of: reported.append(step)).images  # noqa: B023
        assert image.size == (120, 120)
        assert reported[-1] == spec.total_steps == int(steps * strength)
    assert {(1, 0.01), (3, 0.33), (9, 0.11), (99, 0.01)} <= set(refused)
    assert len(refused) < 20


@pytest.mark.parametrize("strength", [0.0, -0.5, 1.01])
def test_a_strength_outside_the_grid_is_refused(strength: float) -> None:
    with pytest.raises(InvalidRequest) as caught:
        GenerateRequest.parse({"prompt": "a", "image": "its name", "strength": strength})
    assert [each.field for each in caught.value.errors] == ["strength"]
