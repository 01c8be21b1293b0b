"""Several jobs in one pipeline call, as a GPU worker runs a batch, here with the torch engine on the CPU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from imagegen.catalog.registry import Model
from imagegen.engines.batching import Batcher
from imagegen.engines.torch_engine import TorchEngine
from imagegen.entrypoints import worker
from imagegen.generation.ports import Backend, Engine, Generated, OnStep, Resident, Resumption
from imagegen.generation.spec import GenerationSpec
from tests.model.conftest import DEMO, TORCH
from tests.support.job_world import JobWorld
from tests.support.plans import spec
from tools.faults.template_resources import BUCKET, QUEUE, TABLE, moto_resources, translated_template
from tools.lambda_event import Context

GPU = replace(TORCH, device="cuda")
"""Makes the worker run a batch, as on a GPU."""

PROMPTS = ["a red circle on a white background", "a blue square on a white background", "a yellow star"]


def generation(seed: int, prompt: str, **changes: Any) -> GenerationSpec:
    return spec(prompt, **{"num_inference_steps": 3, "seed": seed, **changes})


def ignore(step: int, of: int) -> None:
    pass


class CountingEngine:
    """The torch engine. `calls` records the number of generations in each call."""

    def __init__(self, engine: TorchEngine):
        self._engine = engine
        self.calls: list[int] = []

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        self.calls.append(1)
        return self._engine.generate(spec, on_step, resumption)

    def generate_batch(self, specs: Sequence[GenerationSpec], on_step: OnStep) -> list[Generated]:
        self.calls.append(len(specs))
        return self._engine.generate_batch(specs, on_step)

    def close(self) -> None:
        self._engine.close()


class SingleEngine:
    """An engine pool with one engine for all models."""

    def __init__(self, engine: Engine):
        self._engine = engine

    def held_s(self, model: Model, backend: Backend) -> float | None:
        return 0.0

    def resident(self, model: Model, backend: Backend) -> Resident:
        return Resident(self._engine, 0.0)


@pytest.mark.parametrize("scheduler", DEMO.schedulers)
@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_a_batch_gives_the_same_images_as_single_calls(
    torch_engine: TorchEngine, scheduler: str, guidance_scale: float
) -> None:
    fields: dict[str, Any] = {"scheduler": scheduler, "guidance_scale": guidance_scale}
    generations = [
        generation(7, PROMPTS[0], **fields),
        generation(8, PROMPTS[1], num_images_per_prompt=2, **fields),
        generation(9, PROMPTS[2], negative_prompt="a circle", **fields),
    ]
    steps: list[tuple[int, int]] = []

    together = torch_engine.generate_batch(generations, lambda step, of: steps.append((step, of)))

    assert steps == [(step, steps[-1][1]) for step in range(1, steps[-1][1] + 1)]
    assert [len(each.images) for each in together] == [1, 2, 1]
    assert {each.shared_by for each in together} == {3}
    alone = [torch_engine.generate(each, ignore) for each in generations]
    for actual, expected in zip(together, alone, strict=True):
        for image, other in zip(actual.images, expected.images, strict=True):
            difference = np.abs(np.asarray(image, dtype=int) - np.asarray(other, dtype=int))
            assert difference.max() <= 2, "more than rounding"


def test_a_batch_of_messages_is_one_call_and_completes_every_job(
    torch_engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting, batcher = CountingEngine(torch_engine), Batcher(window_s=60)
    with moto_resources(translated_template(), BUCKET, TABLE, QUEUE) as resources:
        world = JobWorld(resources)
        world.container.images._timed._engines = SingleEngine(batcher.wrap(counting))
        world.container.backend = GPU
        world.container.batcher = batcher
        monkeypatch.setattr(worker, "container", world.container)
        submitted = [world.submit(prompt=prompt, seed=seed) for seed, prompt in enumerate(PROMPTS)]
        bodies = [json.dumps(message["Body"]) for message in world.messages()]
        records = [
            {"messageId": str(index), "body": body, "eventSource": "aws:sqs", "receiptHandle": "r", "attributes": {}}
            for index, body in enumerate(bodies)
        ]

        response = worker.handler({"Records": records}, Context())

        assert response == {"batchItemFailures": []}
        done = [world.get(job) for job in submitted]
        assert [job.state for job in done] == ["succeeded"] * 3
        assert counting.calls == [3]
        assert len(world.items("BILL#")) == 3
        keys = {image.key for job in done if job.result is not None for image in job.result.images}
        assert len(keys) == 3
