"""The image by itself: what Lambda will run, under the conditions it will run it."""

from __future__ import annotations

import docker
import pytest

from tests.container.sam import IMAGE

pytestmark = [pytest.mark.container, pytest.mark.usefixtures("sam")]

MAX_BYTES = 2_000_000_000
"""Twice what it takes. Beyond stands a torch with CUDA; Lambda itself takes 10 GB."""

LOAD_THE_MODEL = """
from pathlib import Path
from imagegen.engine_torch import TorchEngine
from imagegen.engines import choose_backend
TorchEngine.load(Path("/opt/models/demo"), choose_backend("cpu"))
print("loaded")
"""


def test_it_is_small_and_does_not_run_as_root(engine: docker.DockerClient) -> None:
    attributes = engine.images.get(IMAGE).attrs

    assert attributes["Size"] < MAX_BYTES
    assert attributes["Config"]["User"].split(":")[0] not in ("", "0", "root")


def test_it_loads_the_model_as_any_user_without_network_or_a_writable_root(engine: docker.DockerClient) -> None:
    output = engine.containers.run(
        IMAGE,
        entrypoint=["/opt/venv/bin/python", "-c", LOAD_THE_MODEL],
        command=[],
        user="993:990",
        read_only=True,
        tmpfs={"/tmp": ""},  # noqa: S108 - the container's
        network_mode="none",
        cap_drop=["ALL"],
        remove=True,
    )

    assert output.split() == [b"loaded"]
