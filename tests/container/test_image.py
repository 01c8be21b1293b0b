"""What `sam build` has made: the image, under the conditions Lambda will run it, and the zip."""

from __future__ import annotations

import docker
import pytest

from tests.container.sam import IMAGE, Sam

pytestmark = [pytest.mark.container, pytest.mark.usefixtures("sam")]

MAX_BYTES = 2_000_000_000
"""It takes 1.4 GB. Beyond this stands a torch with CUDA; Lambda itself takes 10 GB."""

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


def test_the_zip_functions_and_their_layer_are_complete(sam: Sam) -> None:
    """Built, not run: see for_this_machine."""
    built = sam.template.parent / "build"

    assert (built / "Api" / "imagegen" / "entrypoints" / "api.py").exists()
    assert (built / "CoreLayer" / "python" / "pydantic" / "__init__.py").exists()
    assert not (built / "CoreLayer" / "python" / "torch").exists()
