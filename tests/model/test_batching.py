"""Several jobs in one pipeline call, with the torch engine on the CPU: what a GPU's worker does with a batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from imagegen.engine_torch import TorchEngine
from imagegen.entrypoints import worker
from imagegen.ports import Backend, Engine, Generated, OnStep, Resident
from imagegen.registry import Model
from imagegen.request import GenerateRequest, Generation, resolve
from imagegen.together import Together
from tests.model.conftest import DEMO, TORCH
from tests.support.job_world import JobWorld
from tools.faults.template_resources import BUCKET, QUEUE, TABLE, moto_resources, translated_template
from tools.lambda_event import Context

PROMPTS = ["a red circle on a white background", "a blue square on a white background", "a yellow star"]


def generation(seed: int, prompt: str, **changes: Any) -> Generation:
    return resolve(GenerateRequest.parse({"prompt": prompt, "num_inference_steps": 3, **changes}), DEMO, seed)


def ignore(step: int, of: int) -> None:
    pass


class Counted:
    """The torch engine, and the generations of each call."""

    def __init__(self, engine: TorchEngine):
        self._engine = engine
        self.calls: list[int] = []

    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        self.calls.append(1)
        return self._engine.generate(generation, on_step)

    def generate_together(self, generations: Sequence[Generation], on_step: OnStep) -> list[Generated]:
        self.calls.append(len(generations))
        return self._engine.generate_together(generations, on_step)

    def close(self) -> None:
        self._engine.close()


class One:
    """Engines of one engine."""

    def __init__(self, engine: Engine):
        self._engine = engine

    def backend_for(self, scheduler: str) -> Backend:
        return TORCH

    def holds(self, model: Model, backend: Backend) -> bool:
        return True

    def resident(self, model: Model, backend: Backend) -> Resident:
        return Resident(self._engine, 0.0)


@pytest.mark.parametrize("scheduler", DEMO.schedulers)
@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_together_and_alone_are_the_same_pictures(
    torch_engine: TorchEngine, scheduler: str, guidance_scale: float
) -> None:
    fields: dict[str, Any] = {"scheduler": scheduler, "guidance_scale": guidance_scale}
    generations = [
        generation(7, PROMPTS[0], **fields),
        generation(8, PROMPTS[1], num_images_per_prompt=2, **fields),
        generation(9, PROMPTS[2], negative_prompt="a circle", **fields),
    ]
    steps: list[tuple[int, int]] = []

    together = torch_engine.generate_together(generations, lambda step, of: steps.append((step, of)))

    assert steps == [(step, steps[-1][1]) for step in range(1, steps[-1][1] + 1)]
    assert [len(each.images) for each in together] == [1, 2, 1]
    assert {each.shared_by for each in together} == {3}
    alone = [torch_engine.generate(each, ignore) for each in generations]
    for drawn, expected in zip(together, alone, strict=True):
        for image, other in zip(drawn.images, expected.images, strict=True):
            difference = np.abs(np.asarray(image, dtype=int) - np.asarray(other, dtype=int))
            assert difference.max() <= 2, "more than rounding"


def test_a_batch_of_messages_is_one_call_and_each_job_has_its_own_end(
    torch_engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, together = Counted(torch_engine), Together(window_s=60)
    with moto_resources(translated_template(), BUCKET, TABLE, QUEUE) as resources:
        world = JobWorld(resources)
        world.service._engines = One(together.engine(counted))
        monkeypatch.setattr(worker, "draws_together", True)
        monkeypatch.setattr(worker, "together", together)
        for name in ("jobs", "service", "queue"):
            monkeypatch.setattr(worker, name, lambda name=name: getattr(world, name))
        submitted = [world.submit(prompt=prompt, seed=seed) for seed, prompt in enumerate(PROMPTS)]
        bodies = [json.dumps(message["Body"]) for message in world.messages()]
        records = [
            {"messageId": str(index), "body": body, "eventSource": "aws:sqs", "receiptHandle": "r", "attributes": {}}
            for index, body in enumerate(bodies)
        ]

        answer = worker.handler({"Records": records}, Context())

        assert answer == {"batchItemFailures": []}
        done = [world.get(job) for job in submitted]
        assert [job.state for job in done] == ["succeeded"] * 3
        assert counted.calls == [3]
        assert len(world.items("BILL#")) == 3
        keys = {image["key"] for job in done for image in job.result["images"]}  # type: ignore[index]
        assert len(keys) == 3
