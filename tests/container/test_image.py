"""Artifacts of `sam build`: the image, run under Lambda's conditions, and the zip functions."""

from __future__ import annotations

import docker
import pytest

from tests.support.sam import ENGINES, IMAGE, Sam
from tools.deploy.image import differences

pytestmark = [pytest.mark.container, pytest.mark.usefixtures("sam")]

MAX_BYTES = {"openvino": 800_000_000, "torch": 1_800_000_000, "openvino,torch": 2_000_000_000}
"""A third more than the actual sizes. A larger image has torch with CUDA, or torch by mistake. Lambda allows 10 GB."""

SETTINGS = {
    "BUCKET_NAME": "images-bucket",
    "TABLE_NAME": "jobs-table",
    "JOBS_QUEUE_URL": "none",
    "JOBS_DEAD_LETTERS_URL": "none",
    "WEBHOOKS_QUEUE_URL": "none",
    "WEBHOOKS_DEAD_LETTERS_URL": "none",
    "WEBHOOK_SECRETS_PATH": "/none",
}
"""Settings without a default."""

ONLY_WITH_TORCH = {"torch", "diffusers", "transformers", "accelerate"}
ONLY_WITH_OPENVINO = {"openvino"}
ONLY_TO_PREPARE = {"nncf", "scipy"}

LOAD_THE_MODEL = """
from imagegen.wiring import Container
container = Container.from_environment()
plan = container.planner.warm_up("demo")
container.engines.resident(plan.model, plan.backend)
print("loaded")
"""


def run(engine: docker.DockerClient, program: str) -> list[str]:
    """Run a Python program in the image as Lambda would, and return the words that it prints.

    As on Lambda: an arbitrary user and a read-only root file system; in addition, no network.
    """
    output: bytes = engine.containers.run(
        IMAGE,
        entrypoint=["/opt/venv/bin/python", "-c", program],
        command=[],
        environment={**SETTINGS, "ENGINES": ENGINES, "THREADS": "1"},
        user="993:990",
        read_only=True,
        tmpfs={"/tmp": ""},  # noqa: S108 - the container's
        network_mode="none",
        cap_drop=["ALL"],
        remove=True,
    )
    return output.decode().split()


def test_image_is_small_and_does_not_run_as_root(engine: docker.DockerClient) -> None:
    attributes = engine.images.get(IMAGE).attrs

    assert attributes["Size"] < MAX_BYTES[ENGINES]
    assert attributes["Config"]["User"].split(":")[0] not in ("", "0", "root")


def test_image_loads_the_model_as_any_user_without_network_or_a_writable_root(engine: docker.DockerClient) -> None:
    assert run(engine, LOAD_THE_MODEL) == ["loaded"]


def test_image_has_the_packages_of_its_engines_only(engine: docker.DockerClient) -> None:
    known = ONLY_WITH_TORCH | ONLY_WITH_OPENVINO | ONLY_TO_PREPARE
    expected = (ONLY_WITH_TORCH if "torch" in ENGINES else set()) | (
        ONLY_WITH_OPENVINO if "openvino" in ENGINES else set()
    )

    found = run(engine, f"from importlib.util import find_spec\nprint(*(each for each in {known} if find_spec(each)))")

    assert set(found) == expected


def test_the_check_of_make_deploy_finds_the_model_in_the_image(engine: docker.DockerClient) -> None:
    architecture = {"amd64": "x86_64"}.get(engine.images.get(IMAGE).attrs["Architecture"], "arm64")
    parameters = {"Model": "demo", "Engines": ENGINES, "Architecture": architecture}
    assert differences(engine, IMAGE, parameters) == []
    assert len(differences(engine, IMAGE, parameters | {"Model": "sd-turbo"})) == len(ENGINES.split(","))


def test_image_signs_and_verifies_pictures(engine: docker.DockerClient) -> None:
    """Without the library for linking Rust programs, which would be 31 MB."""
    program = (
        "from pathlib import Path\nimport c2pa\nimport imagegen.api.form_file\n"
        "from imagegen.provenance import signing\n"
        "print(len(c2pa.Reader.get_supported_mime_types()) > 3, *Path(c2pa.__file__).parent.rglob('*.rlib'))"
    )
    assert run(engine, program) == ["True"]


@pytest.mark.skipif("openvino" not in ENGINES, reason="the image has no OpenVINO")
def test_openvino_telemetry_is_off(engine: docker.DockerClient) -> None:
    assert run(engine, "from openvino.tools.ovc import telemetry\nprint(telemetry.consent)") == ["False"]


def test_the_zip_functions_and_their_layers_are_complete(sam: Sam) -> None:
    """Checks the build only; for_this_machine says why these functions do not run from their zip."""
    built = sam.template.parent / "build"

    for function in ("Api", "Sweeper", "DeadLetters", "Webhooks", "Authorizer", "Warmer", "RolloutCheck"):
        assert (built / function / "imagegen" / "entrypoints" / "api.py").exists()
    assert (built / "CoreLayer" / "python" / "pydantic" / "__init__.py").exists()
    assert (built / "CoreLayer" / "python" / "jwt" / "__init__.py").exists()
    assert (built / "RedisLayer" / "python" / "redis" / "__init__.py").exists()
    assert not (built / "CoreLayer" / "python" / "redis").exists()
    assert not (built / "CoreLayer" / "python" / "openvino").exists()
    assert not (built / "CoreLayer" / "python" / "torch").exists()
