"""Modules that each entrypoint imports at startup."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

FUNCTION = Path(__file__).resolve().parents[2] / "function"
DIFFUSERS = {"torch", "diffusers", "transformers", "accelerate"}
OPENVINO = {"openvino", "openvino_genai", "openvino_tokenizers", "openvino_telemetry"}
ENGINES = DIFFUSERS | OPENVINO
LAYER = FUNCTION.parent / "layers" / "core" / "requirements.txt"
HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""
"""Makes the top-level packages in `hidden` look as if they were not installed."""


def modules_after(code: str) -> set[str]:
    """Top-level modules that are loaded after running the code in a new interpreter."""
    completed = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"],
        env={**os.environ, "PYTHONPATH": str(FUNCTION), "BUCKET_NAME": "images-bucket"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(completed.stdout.split())


@pytest.mark.parametrize(
    "entrypoint", sorted(path.stem for path in (FUNCTION / "imagegen/entrypoints").glob("[!_]*.py"))
)
def test_no_entrypoint_imports_an_engine(entrypoint: str) -> None:
    assert not modules_after(f"import imagegen.entrypoints.{entrypoint}") & ENGINES


def test_the_openvino_engine_does_not_import_torch() -> None:
    loaded = modules_after("import imagegen.engine_openvino")
    assert "openvino_genai" in loaded
    assert not loaded & DIFFUSERS


def test_the_sweeper_and_dead_letters_import_only_packages_of_the_layer() -> None:
    loaded = modules_after(
        "from imagegen.entrypoints import dead_letters, sweeper\nsweeper.jobs()\ndead_letters.jobs()"
    )
    assert not loaded & {*ENGINES, "PIL", "numpy"}


def test_webhook_delivery_imports_only_packages_of_the_layer() -> None:
    loaded = modules_after("from imagegen.entrypoints import webhooks\nwebhooks.sender()")
    assert "standardwebhooks" in loaded
    assert not loaded & {*ENGINES, "PIL", "numpy"}


def test_the_api_imports_only_packages_of_the_layer_and_not_boto3() -> None:
    loaded = modules_after("from imagegen.entrypoints import api\napi.app.get_openapi_json_schema()")
    assert not loaded & {*ENGINES, "PIL", "numpy", "boto3"}


def outside_the_layer() -> set[str]:
    """Installed top-level packages that are not in the layer, whose requirements list boto3 and its dependencies."""
    layer = set(re.findall(r"^([\w-]+)==", LAYER.read_text(), re.MULTILINE))
    assert "boto3" in layer
    return {
        package
        for package, distributions in packages_distributions().items()
        if not layer & {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    }


@pytest.mark.parametrize(
    "initialization_type", ["on-demand", "provisioned-concurrency", "snap-start", "lambda-managed-instances"]
)
@pytest.mark.parametrize("entrypoint", ["api", "dead_letters", "sweeper", "webhooks"])
def test_a_zip_entrypoint_starts_with_only_the_layer_installed(entrypoint: str, initialization_type: str) -> None:
    hidden = outside_the_layer()
    assert hidden >= {"PIL", "numpy", "torch", "diffusers", "openvino"}
    started = subprocess.run(
        [sys.executable, "-c", f"hidden = {hidden}\n{HIDE}\nimport imagegen.entrypoints.{entrypoint}"],
        env={**os.environ, "PYTHONPATH": str(FUNCTION), "AWS_LAMBDA_INITIALIZATION_TYPE": initialization_type},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
