"""A rollout, a bad one, and the way back on a running stack: nothing is deployed and no process is restarted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegen.catalog import manifest
from imagegen.catalog.current_models import FRESH_S
from imagegen.catalog.registry import REGISTRY
from tests.e2e.conftest import small_request
from tools.deploy import stack as deployed
from tools.deploy.models import ModelVersions
from tools.local.client import Client
from tools.local.deploy import STACK, Options
from tools.local.deploy import client as client_of
from tools.local.process import Output, free_port
from tools.local.stack import Stack, local_stack, models_dir

IMAGE = REGISTRY["demo"].version
PATIENCE_S = FRESH_S + 300
"""How long a switch may take to be seen here: its own minute, and five more on a busy machine."""


class World:
    """An operator and a caller of a stack that reads a rollout."""

    def __init__(self, running: Stack, folders: Path):
        url = running.endpoint.base_url.rpartition("/")[0]
        cloudformation, self.s3 = client_of("cloudformation", url), client_of("s3", url)
        parameters = deployed.parameters(cloudformation, STACK)
        assert parameters is not None
        self.bucket = deployed.outputs(cloudformation, STACK)["BucketName"]
        self.operator = ModelVersions(STACK, parameters, self.bucket, self.s3, client_of("ssm", url))
        self.client, self._folders = Client(running.endpoint), folders

    def publish(self, note: str) -> str:
        """Publish the demo model once more: the same weights, another version."""
        folder = self._folders / note / "demo" / "openvino"
        shutil.copytree(models_dir() / "demo" / "openvino", folder)
        manifest.write(folder, {**manifest.prepared_with(folder), "note": note})
        return self.operator.publish("demo", self._folders / note).version

    def draw(self, **changes: Any) -> dict[str, Any]:
        return self.client.generate(small_request(**changes))

    def wait_for(self, version: str) -> None:
        """Wait until requests get a version."""
        ends = time.monotonic() + PATIENCE_S
        while (drawn := str(self.draw()["model_version"])) != version:
            assert time.monotonic() < ends, f"{drawn} instead of {version}"
            time.sleep(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rollout")
    with local_stack(free_port(), Output(folder / "stack.log"), Options(model_rollout=True)) as running:
        yield World(running, folder)


def test_a_rollout_reaches_requests_and_jobs_and_so_does_the_way_back(world: World) -> None:
    request = small_request()
    assert world.client.generate(request)["model_version"] == IMAGE
    version = world.publish("second")
    assert world.draw()["model_version"] == IMAGE
    world.operator.switch(version)
    world.wait_for(version)
    again = world.client.generate(request)
    assert (again["model_version"], again["cached"]) == (version, False)
    assert world.draw(model=version)["model_version"] == version
    assert world.draw(model=IMAGE)["model_version"] == IMAGE
    job = world.client.call("POST", "/jobs", small_request()).json()
    world.operator.back()
    done = world.client.wait_for_job(job["id"])
    assert done["result"]["model_version"] in (version, IMAGE)  # Api may not have read the rollout yet
    world.wait_for(IMAGE)
    assert world.client.generate(request)["cached"]


def test_a_damaged_version_never_becomes_the_default(world: World) -> None:
    world.wait_for(IMAGE)
    version = world.publish("damaged")
    release = world.operator.rollout().release(version)
    assert release is not None
    key = f"{release.prefix}openvino/manifest.json"
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=b"{}")
    world.operator.store(world.operator.rollout().switched(version))  # as if someone wrote it by hand
    ends = time.monotonic() + FRESH_S + 15
    while time.monotonic() < ends:
        assert world.draw()["model_version"] != version  # an environment may not have read the way back yet
        time.sleep(5)
    world.wait_for(IMAGE)
    world.operator.back()
