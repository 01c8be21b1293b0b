"""Prepared folders of every family load in OpenVINO GenAI and in diffusers and generate the same image."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import openvino_genai as genai
import pytest
import torch

from imagegen.catalog import manifest
from imagegen.catalog.registry import SCHEDULERS
from tests.conftest import MODELS, ROOT
from tests.support import checkpoints
from tests.support.prepare import prepare

PROMPT = "a red circle left of a blue star"


def with_openvino(folder: Path, **options: Any) -> np.ndarray[Any, Any]:
    """Return the image, generated with noise from torch's generator, as in diffusers."""
    pipeline = genai.Text2ImagePipeline(
        folder, "CPU", INFERENCE_PRECISION_HINT="f32", DYNAMIC_QUANTIZATION_GROUP_SIZE=0
    )
    generated = pipeline.generate(PROMPT, generator=genai.TorchGenerator(7), **options)
    return np.array(generated.data[0])


def with_torch(folder: Path, **options: Any) -> np.ndarray[Any, Any]:
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    generated = pipeline(PROMPT, generator=torch.Generator().manual_seed(7), **options)
    return np.array(generated.images[0])


def pndm(folder: Path) -> Path:
    """Write a checkpoint with an old configuration: it names neither clipping nor the spacing of the steps."""
    return checkpoints.with_scheduler(checkpoints.demo(folder), "PNDMScheduler", skip_prk_steps=True)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a family's small checkpoint, prepared for both engines once per session."""
    base = tmp_path_factory.mktemp("prepared")

    def folder(family: str) -> Path:
        if family == "demo":
            return MODELS / "demo"
        found = base / "models" / family
        if not found.exists():
            write = {"lcm": checkpoints.latent_consistency, "xl": checkpoints.xl, "pndm": pndm}[family]
            done = prepare(str(write(base / family)), base / "models")
            assert done.returncode == 0, done.stderr
        return found

    return folder


@pytest.mark.parametrize(
    ("family", "width", "height", "steps", "guidance"),
    [
        ("demo", 128, 128, 4, 1.5),
        ("demo", 136, 120, 4, 1.0),
        ("lcm", 128, 128, 3, 8.0),
        ("lcm", 120, 136, 1, 2.0),
        ("xl", 128, 128, 3, 0.0),
        ("xl", 136, 120, 2, 3.0),
    ],
)
def test_the_folders_of_both_engines_generate_the_same_image(
    prepared: Callable[[str], Path], family: str, width: int, height: int, steps: int, guidance: float
) -> None:
    """Includes sizes that do not halve evenly, and guidance both on and off. Only rounding differs."""
    options = {"width": width, "height": height, "num_inference_steps": steps, "guidance_scale": guidance}
    folder = prepared(family)

    actual, expected = with_openvino(folder / "openvino", **options), with_torch(folder / "torch", **options)

    assert actual.shape == expected.shape == (height, width, 3)
    assert expected.std() > 20
    assert np.abs(actual.astype(int) - expected.astype(int)).mean() < (3 if family == "xl" else 1)


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "pndm"])
def test_the_engines_agree_on_what_a_configuration_leaves_out(prepared: Callable[[str], Path], scheduler: str) -> None:
    folder, names = prepared("pndm"), SCHEDULERS[scheduler]
    options = {"width": 128, "height": 128, "num_inference_steps": 4, "guidance_scale": 1.5}
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder / "torch")
    pipeline.scheduler = getattr(diffusers, names.torch).from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    expected = np.array(pipeline(PROMPT, generator=torch.Generator().manual_seed(7), **options).images[0])
    native = genai.Text2ImagePipeline(folder / "openvino", "CPU", INFERENCE_PRECISION_HINT="f32")
    config = str(folder / "openvino" / "scheduler" / "scheduler_config.json")
    native.set_scheduler(genai.Scheduler.from_config(config, getattr(genai.Scheduler.Type, str(names.openvino))))
    actual = np.array(native.generate(PROMPT, generator=genai.TorchGenerator(7), **options).data[0])
    assert np.abs(actual.astype(int) - expected.astype(int)).mean() < 1


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_every_scheduler_of_an_old_configuration_draws(prepared: Callable[[str], Path], engine: str) -> None:
    drawn = manifest.trial(prepared("pndm") / engine)
    assert drawn is not None
    shared = {"ddim", "euler", "euler_ancestral", "pndm"}
    assert set(drawn.schedulers) == (shared if engine == "openvino" else shared | {"dpm_multistep"})
    assert drawn.refused == {}
    assert 100 < drawn.peak_mb["float32"] < 2000


@pytest.mark.parametrize("family", ["demo", "lcm", "xl"])
@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_a_prepared_folder_matches_its_manifest(prepared: Callable[[str], Path], family: str, engine: str) -> None:
    manifest.verify(prepared(family) / engine)


def test_weights_for_torch_are_not_stored_as_float16(prepared: Callable[[str], Path]) -> None:
    for part in ("text_encoder", "unet", "vae"):
        for file in (prepared("demo") / "torch" / part).glob("*.safetensors"):
            assert b'"F16"' not in file.read_bytes()[:200_000]


def test_preparing_sends_no_telemetry(tmp_path: Path) -> None:
    """The openvino package sends an event on every import, unless openvino_telemetry is missing."""
    code = "import sys; sys.modules['openvino_telemetry'] = None; import models.prepare.convert; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "function"), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert not list(tmp_path.rglob("*ga_cid*"))
    assert "openvino_telemetry.main" not in done.stdout.split()
