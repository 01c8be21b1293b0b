"""Previews through the handlers: in the answer to the job's own tenant, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from imagegen.catalog.manifest import LatentColors
from imagegen.generation.preview import Previews
from tests.support.fakes import Unjudged
from tests.support.job_handlers import HOOK, PROMPT, JobHandlers, body
from tests.support.pictures import of_data_url
from tools.lambda_event import authorizer

COLORS = LatentColors(((90.0, 0.0, 0.0), (0.0, 90.0, 0.0), (0.0, 0.0, 90.0), (30.0, 30.0, 30.0)), (128.0, 128.0, 128.0))
MARK = "data:image"


def test_a_preview_is_in_the_jobs_own_document_and_nowhere_else(
    handlers: JobHandlers, printed: Callable[[], str]
) -> None:
    world, seen = handlers.world, list[dict[str, Any]]()
    world.engine.predicted = np.random.RandomState(0).standard_normal((1, 4, 16, 16)).astype(np.float32)
    world.container.job_runner = replace(world.runner, previews=Previews(lambda _model, _backend: COLORS, Unjudged()))
    job = body(handlers.submit(PROMPT | HOOK | {"preview": True}))
    path = f"/jobs/{job['id']}"

    def look(step: int) -> None:
        world.clock.pass_s(2)
        seen.append(body(handlers.call("GET", path)))
        if step == 4:
            listed = handlers.call("GET", "/jobs")
            assert job["id"] in listed["body"]
            assert MARK not in listed["body"]
            bob = {"requestId": "1", "path": f"/v1{path}", "authorizer": authorizer("key-of-bob")}
            foreign = handlers.call("GET", path, requestContext=bob)
            assert (foreign["statusCode"], MARK in foreign["body"]) == (404, False)

    world.engine.during = look
    handlers.run_queued_jobs()
    assert world.crashes == []
    ended = handlers.call("GET", path)
    assert job["progress"]["preview"] is None
    assert [each["progress"]["preview"] is not None for each in seen] == [False, True, True, True]
    assert of_data_url(seen[-1]["progress"]["preview"]).size == (16, 16)
    assert (body(ended)["status"], body(ended)["progress"]) == ("succeeded", None)
    (webhook,) = world.webhooks.bodies
    assert MARK not in ended["body"] + webhook + printed() + str(world.items("JOB#"))
