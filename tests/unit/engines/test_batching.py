"""Who is drawn with whom, and that nobody's end is another's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from imagegen.ports import Engine, Generated, OnStep
from imagegen.registry import REGISTRY
from imagegen.request import GenerateRequest, Generation, resolve
from imagegen.together import Together

STEPS = 4


def generation(seed: int, **changes: Any) -> Generation:
    body = {"prompt": "a red circle", "num_inference_steps": STEPS, **changes}
    return resolve(GenerateRequest.parse(body), REGISTRY["demo"], seed)


@dataclass
class FakeBatchEngine:
    """Notes the seeds of each call; fails calls of several where it is told to."""

    calls: list[list[int]] = field(default_factory=list)
    steps: int = 0
    fails_together: bool = False

    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        return self._draw([generation], on_step)[0]

    def generate_together(self, generations: Sequence[Generation], on_step: OnStep) -> list[Generated]:
        if self.fails_together:
            raise MemoryError
        return self._draw(generations, on_step)

    def close(self) -> None:
        """Nothing works in the background."""

    def _draw(self, generations: Sequence[Generation], on_step: OnStep) -> list[Generated]:
        self.calls.append(sorted(each.seed for each in generations))
        for step in range(1, STEPS + 1):
            self.steps += 1
            on_step(step, STEPS)
        picture = {each.seed: Image.new("RGB", (8, 8), (each.seed, 0, 0)) for each in generations}
        return [Generated([picture[each.seed]], 0.0, 0.1, 0.0, shared_by=len(generations)) for each in generations]


def draw_all(
    engine: FakeBatchEngine, generations: Sequence[Generation], on_step: Callable[[int, int, int], None] | None = None
) -> list[Future[Generated]]:
    """Each by a thread of its own; `on_step` gets the seed, too."""
    together = Together(window_s=10)
    gathering: Engine = together.engine(engine)
    barrier = threading.Barrier(len(generations))

    def draw(each: Generation) -> Generated:
        barrier.wait()
        return gathering.generate(each, lambda step, of: on_step(each.seed, step, of) if on_step else None)

    with together.expecting(len(generations)), ThreadPoolExecutor(len(generations)) as threads:
        return [threads.submit(draw, each) for each in generations]


def colour(drawn: Future[Generated]) -> int:
    return int(drawn.result().images[0].getpixel((0, 0))[0])  # type: ignore[index]


def test_one_shape_is_one_call_and_each_gets_its_own_picture() -> None:
    engine = FakeBatchEngine()
    drawn = draw_all(engine, [generation(seed) for seed in (1, 2, 3)])
    assert engine.calls == [[1, 2, 3]]
    assert [colour(each) for each in drawn] == [1, 2, 3]
    assert {each.result().shared_by for each in drawn} == {3}


@pytest.mark.parametrize("change", [{"width": 64}, {"num_inference_steps": 5}, {"scheduler": "euler"}])
def test_another_shape_is_another_call(change: dict[str, Any]) -> None:
    engine = FakeBatchEngine()
    draw_all(engine, [generation(1), generation(2, **change), generation(3)])
    assert sorted(engine.calls) == [[1, 3], [2]]


def test_no_call_draws_more_than_eight_images() -> None:
    engine = FakeBatchEngine()
    draw_all(engine, [generation(seed, num_images_per_prompt=4) for seed in (1, 2, 3)])
    assert sorted(map(len, engine.calls)) == [1, 2]


def test_a_member_that_gives_up_leaves_the_others_alone() -> None:
    def give_up(seed: int, step: int, of: int) -> None:
        if seed == 2 and step == 2:
            raise KeyError

    engine = FakeBatchEngine()
    one, two, three = draw_all(engine, [generation(seed) for seed in (1, 2, 3)], give_up)
    assert (colour(one), colour(three)) == (1, 3)
    assert isinstance(two.exception(), KeyError)
    assert len(engine.calls) == 1


def test_nobody_is_drawn_for_once_all_have_given_up() -> None:
    def give_up(seed: int, step: int, of: int) -> None:
        if step == 2:
            raise KeyError

    engine = FakeBatchEngine()
    drawn = draw_all(engine, [generation(seed) for seed in (1, 2)], give_up)
    assert engine.steps == 2
    assert all(isinstance(each.exception(), KeyError) for each in drawn)


def test_a_call_that_fails_is_no_ones_failure() -> None:
    engine = FakeBatchEngine(fails_together=True)
    drawn = draw_all(engine, [generation(seed) for seed in (1, 2)])
    assert sorted(engine.calls) == [[1], [2]]
    assert [colour(each) for each in drawn] == [1, 2]


def test_steps_are_those_of_all_images_of_a_request() -> None:
    told: list[tuple[int, int, int]] = []
    draw_all(
        FakeBatchEngine(),
        [generation(1, num_images_per_prompt=2), generation(2)],
        lambda seed, step, of: told.append((seed, step, of)),
    )
    assert [each[1:] for each in told if each[0] == 1] == [(2, 8), (4, 8), (6, 8), (8, 8)]
    assert [each[1:] for each in told if each[0] == 2] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_who_is_expected_alone_waits_for_nobody() -> None:
    engine = FakeBatchEngine()
    together = Together(window_s=3600)
    together.engine(engine).generate(generation(1), lambda step, of: None)
    assert engine.calls == [[1]]


def test_who_waits_in_vain_is_drawn_alone() -> None:
    engine = FakeBatchEngine()
    together = Together(window_s=0.01)
    with together.expecting(2):
        together.engine(engine).generate(generation(1), lambda step, of: None)
    assert engine.calls == [[1]]
