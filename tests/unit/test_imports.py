"""Modules that each entrypoint imports at startup."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FUNCTION = Path(__file__).resolve().parents[2] / "function"
DIFFUSERS = {"torch", "diffusers", "transformers", "accelerate"}
OPENVINO = {"openvino", "openvino_genai", "openvino_tokenizers", "openvino_telemetry"}
ENGINES = DIFFUSERS | OPENVINO


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
