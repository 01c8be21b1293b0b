"""Which generations share a call, and that a failure stays with its own generation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from PIL import Image

from imagegen.engines.batching import Batcher
from imagegen.generation.edit import Edit
from imagegen.generation.ports import Engine, Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec
from tests.support import plans
from tests.support.scenes import circle, picture

STEPS = 4
SEED: ContextVar[int] = ContextVar("SEED")
"""The seed of the thread's generation, as log lines have a job's id."""


def spec(seed: int, **changes: Any) -> GenerationSpec:
    return plans.spec(seed=seed, **{"num_inference_steps": STEPS, **changes})


@dataclass
class FakeBatchEngine:
    """Records the seeds of each call. With `fails_in_batches`, batched calls fail."""

    calls: list[list[int]] = field(default_factory=list)
    steps: int = 0
    fails_in_batches: bool = False

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        return self._run([spec], on_step)[0]

    def generate_batch(self, specs: Sequence[GenerationSpec], on_step: OnStep) -> list[Generated]:
        if self.fails_in_batches:
            raise MemoryError
        return self._run(specs, on_step)

    def close(self) -> None:
        """No background work to stop."""

    def _run(self, specs: Sequence[GenerationSpec], on_step: OnStep) -> list[Generated]:
        self.calls.append(sorted(each.seed for each in specs))
        for step in range(1, STEPS + 1):
            self.steps += 1
            on_step(step, STEPS)
        image = {each.seed: Image.new("RGB", (8, 8), (each.seed, 0, 0)) for each in specs}
        return [Generated([image[each.seed]], 0.0, 0.1, 0.0, shared_by=len(specs)) for each in specs]


def generate_all(
    engine: FakeBatchEngine,
    specs: Sequence[GenerationSpec],
    on_step: Callable[[int, int, int], None] | None = None,
) -> list[Future[Generated]]:
    """Run each generation in its own thread. `on_step` also gets the seed."""
    batcher = Batcher(window_s=3600)  # the last one opens the batch, however late it comes
    batched: Engine = batcher.wrap(engine)
    barrier = threading.Barrier(len(specs))

    def run(each: GenerationSpec) -> Generated:
        SEED.set(each.seed)
        barrier.wait()
        return batched.generate(each, lambda step, of: on_step(each.seed, step, of) if on_step else None)

    with batcher.expect(len(specs)), ThreadPoolExecutor(len(specs)) as threads:
        return [threads.submit(run, each) for each in specs]


def color(future: Future[Generated]) -> int:
    return int(future.result().images[0].getpixel((0, 0))[0])  # type: ignore[index]


def test_generations_of_one_shape_share_a_call_and_get_their_own_images() -> None:
    engine = FakeBatchEngine()
    futures = generate_all(engine, [spec(seed) for seed in (1, 2, 3)])
    assert engine.calls == [[1, 2, 3]]
    assert [color(each) for each in futures] == [1, 2, 3]
    assert {each.result().shared_by for each in futures} == {3}


@pytest.mark.parametrize("change", [{"width": 144}, {"num_inference_steps": 5}, {"scheduler": "euler"}])
def test_generations_of_another_shape_get_their_own_call(change: dict[str, Any]) -> None:
    engine = FakeBatchEngine()
    generate_all(engine, [spec(1), spec(2, **change), spec(3)])
    assert sorted(engine.calls) == [[1, 3], [2]]


def test_an_edit_runs_alone_and_no_batch_waits_for_it() -> None:
    engine = FakeBatchEngine()
    edited = replace(spec(9), edit=Edit(picture(circle()), 1.0, "crop"))
    generate_all(engine, [spec(1), edited, spec(2)])
    assert sorted(engine.calls) == [[1, 2], [9]]


def test_a_call_generates_at_most_eight_images() -> None:
    engine = FakeBatchEngine()
    generate_all(engine, [spec(seed, num_images_per_prompt=4) for seed in (1, 2, 3)])
    assert sorted(map(len, engine.calls)) == [1, 2]


def test_a_cancelled_generation_does_not_affect_the_others() -> None:
    def cancel(seed: int, step: int, of: int) -> None:
        if seed == 2 and step == 2:
            raise KeyError

    engine = FakeBatchEngine()
    one, two, three = generate_all(engine, [spec(seed) for seed in (1, 2, 3)], cancel)
    assert (color(one), color(three)) == (1, 3)
    assert isinstance(two.exception(), KeyError)
    assert len(engine.calls) == 1


def test_a_call_stops_when_all_its_generations_are_cancelled() -> None:
    def cancel(seed: int, step: int, of: int) -> None:
        if step == 2:
            raise KeyError

    engine = FakeBatchEngine()
    futures = generate_all(engine, [spec(seed) for seed in (1, 2)], cancel)
    assert engine.steps == 2
    assert all(isinstance(each.exception(), KeyError) for each in futures)


def test_a_failed_batch_is_retried_one_by_one() -> None:
    engine = FakeBatchEngine(fails_in_batches=True)
    futures = generate_all(engine, [spec(seed) for seed in (1, 2)])
    assert sorted(engine.calls) == [[1], [2]]
    assert [color(each) for each in futures] == [1, 2]


def test_each_generation_reports_its_steps_in_its_own_context() -> None:
    """One thread reports those of the whole batch."""
    reported: list[tuple[int, int]] = []
    engine = FakeBatchEngine()
    generate_all(engine, [spec(seed) for seed in (1, 2, 3)], lambda seed, *_: reported.append((seed, SEED.get())))
    assert engine.calls == [[1, 2, 3]]
    assert sorted(reported) == sorted([(seed, seed) for seed in (1, 2, 3)] * STEPS)


def test_steps_count_all_images_of_a_request() -> None:
    reported: list[tuple[int, int, int]] = []
    generate_all(
        FakeBatchEngine(),
        [spec(1, num_images_per_prompt=2), spec(2)],
        lambda seed, step, of: reported.append((seed, step, of)),
    )
    assert [each[1:] for each in reported if each[0] == 1] == [(2, 8), (4, 8), (6, 8), (8, 8)]
    assert [each[1:] for each in reported if each[0] == 2] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_single_caller_does_not_wait() -> None:
    engine = FakeBatchEngine()
    batcher = Batcher(window_s=3600)
    batcher.wrap(engine).generate(spec(1), lambda step, of: None)
    assert engine.calls == [[1]]


def test_a_caller_runs_alone_if_no_other_arrives_within_the_window() -> None:
    engine = FakeBatchEngine()
    batcher = Batcher(window_s=0.01)
    with batcher.expect(2):
        batcher.wrap(engine).generate(spec(1), lambda step, of: None)
    assert engine.calls == [[1]]
