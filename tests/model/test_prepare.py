"""Prepared folders of every family load in OpenVINO and in diffusers and generate the same image."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.schedulers import scheduling_euler_ancestral_discrete, scheduling_lcm

from imagegen.catalog import manifest
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY, SCHEDULERS, Model
from imagegen.engines.noise import Noise
from imagegen.engines.openvino_denoiser import Denoiser
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.torch_engine import TorchEngine
from imagegen.generation.planner import Planner
from imagegen.generation.ports import Engine
from imagegen.generation.request import GenerateRequest
from imagegen.generation.spec import GenerationSpec
from models.prepare import configuration, scheduler_config, source
from models.prepare.completed import completed
from models.prepare.pipeline_index import INDEX, weights_of
from tests.conftest import MODELS, ROOT
from tests.model.conftest import OPENVINO, TORCH
from tests.support import checkpoints
from tests.support.plans import spec
from tests.support.prepare import prepare

PROMPT = "a red circle left of a blue star"
SEED = 7
FAMILIES = {"demo": "demo", "pndm": "demo", "lcm": "lcm-dreamshaper-7", "xl": "sdxl-turbo"}
"""A registered model of each family."""
OWN_SCHEDULERS = {"demo": "ddim", "lcm": "lcm", "xl": "euler"}
"""Those of the checkpoints' own configurations."""
CONFIGURATIONS: dict[str, tuple[str, str, dict[str, object]]] = {
    "DEIS": ("demo", "DEISMultistepScheduler", {"solver_order": 2, "algorithm_type": "deis", "solver_type": "logrho"}),
    "DPM++ Karras": ("demo", "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "UniPC": ("demo", "UniPCMultistepScheduler", {"solver_type": "bh2", "predict_x0": True}),
    "SD 2": ("demo", "DDIMScheduler", {"prediction_type": "v_prediction", "clip_sample": False}),
    "Turbo": ("demo", "EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "LCM": ("lcm", "LCMScheduler", {"original_inference_steps": 50}),
    "SDXL": ("xl", "EulerDiscreteScheduler", {"timestep_spacing": "leading", "steps_offset": 1}),
}
"""Scheduler configurations of well-known checkpoints: the family, the class and what distinguishes the settings."""


def with_openvino(folder: Path, request: GenerationSpec, model: Model) -> np.ndarray[Any, Any]:
    engine = OpenVINOEngine.load(folder, model, OPENVINO, manifest.begin_verifying(folder))
    try:
        return np.array(engine.generate(request, lambda step, of: None).images[0])
    finally:
        engine.close()


def with_diffusers(folder: Path, request: GenerationSpec, monkeypatch: pytest.MonkeyPatch) -> np.ndarray[Any, Any]:
    """Return the image of diffusers' own pipeline and scheduler, with the noise that the engines use."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, safety_checker=None)
    scheduler_class = getattr(diffusers, SCHEDULERS[request.scheduler])
    pipeline.scheduler = scheduler_class.from_config(pipeline.scheduler.config, skip_prk_steps=True)
    pipeline.set_progress_bar_config(disable=True)
    noise = Noise(SEED, (1, 4, request.height // 8, request.width // 8))
    for module in (scheduling_lcm, scheduling_euler_ancestral_discrete):
        monkeypatch.setattr(module, "randn_tensor", lambda *_args, **_options: torch.from_numpy(noise()))
    generated = pipeline(
        request.prompt,
        latents=torch.from_numpy(noise()),
        width=request.width,
        height=request.height,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
    )
    return np.array(generated.images[0])


def pndm(folder: Path) -> Path:
    """Write a checkpoint with an old configuration: it names neither clipping nor the spacing of the steps."""
    return checkpoints.with_scheduler(checkpoints.demo(folder), "PNDMScheduler", skip_prk_steps=True)


WRITE = {"demo": checkpoints.demo, "lcm": checkpoints.latent_consistency, "xl": checkpoints.xl, "pndm": pndm}
"""Writes a family's small checkpoint."""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a family's small checkpoint, prepared for both engines once per session."""
    base = tmp_path_factory.mktemp("prepared")

    def folder(family: str) -> Path:
        if family == "demo":
            return MODELS / "demo"
        found = base / "models" / family
        if not found.exists():
            done = prepare(str(WRITE[family](base / family)), base / "models")
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
    prepared: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    family: str,
    width: int,
    height: int,
    steps: int,
    guidance: float,
) -> None:
    """Includes sizes that do not halve evenly, and guidance both on and off. Only rounding differs."""
    folder, model = prepared(family), REGISTRY[FAMILIES[family]]
    request = replace(
        spec(PROMPT, seed=SEED),
        width=width,
        height=height,
        num_inference_steps=steps,
        guidance_scale=guidance,
        scheduler=OWN_SCHEDULERS[family],
    )

    actual = with_openvino(folder / "openvino", request, model)
    expected = with_diffusers(folder / "torch", request, monkeypatch)

    assert actual.shape == expected.shape == (height, width, 3)
    assert expected.std() > 20
    assert np.abs(actual.astype(int) - expected.astype(int)).mean() < 1


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"])
def test_the_engines_agree_on_what_a_configuration_leaves_out(
    prepared: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, scheduler: str
) -> None:
    folder = prepared("pndm")
    request = replace(spec(PROMPT, seed=SEED, num_inference_steps=4, guidance_scale=1.5), scheduler=scheduler)
    actual = with_openvino(folder / "openvino", request, REGISTRY["demo"])
    expected = with_diffusers(folder / "torch", request, monkeypatch)
    assert np.abs(actual.astype(int) - expected.astype(int)).mean() < 1


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_every_scheduler_of_an_old_configuration_draws(prepared: Callable[[str], Path], engine: str) -> None:
    drawn = manifest.trial(prepared("pndm") / engine)
    assert drawn is not None
    assert set(drawn.schedulers) == {"ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"}
    assert drawn.refused == {}
    assert 100 < drawn.peak_mb["float32"] < 2000


@pytest.fixture
def configured(prepared: Callable[[str], Path], tmp_path: Path) -> Callable[[str], tuple[Model, Path]]:
    """Return the registry entry and the folders of a family's checkpoint with one of CONFIGURATIONS.

    Only the scheduler is prepared again: nothing else in a folder depends on its configuration.
    """

    def entry_and_folders(name: str) -> tuple[Model, Path]:
        family, class_name, settings = CONFIGURATIONS[name]
        checkpoint = checkpoints.with_scheduler(WRITE[family](tmp_path / "checkpoint"), class_name, **settings)
        weights = weights_of(checkpoint, source.files_of(checkpoint))
        with completed(checkpoint, configuration.read(checkpoint), weights) as view:
            for engine in ("openvino", "torch"):
                folder = Path(shutil.copytree(prepared(family) / engine, tmp_path / engine))
                shutil.copyfile(view / scheduler_config.FILE, folder / scheduler_config.FILE)
                scheduler = json.loads((view / INDEX).read_text())["scheduler"]
                checkpoints.change(folder, INDEX, scheduler=scheduler)
                manifest.write(folder)
        return source.find(str(checkpoint)).model, tmp_path

    return entry_and_folders


@pytest.fixture
def network_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets an item with each call of either engine's denoiser."""
    calls: list[str] = []
    for kind, name in ((Denoiser, "predict"), (UNet2DConditionModel, "forward")):
        original = getattr(kind, name)

        def counted(*arguments: Any, original: Callable[..., Any] = original, **options: Any) -> Any:
            calls.append(original.__qualname__)
            return original(*arguments, **options)

        monkeypatch.setattr(kind, name, counted)
    return calls


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_scheduler_draws_with_the_configuration_of_any_checkpoint(
    configured: Callable[[str], tuple[Model, Path]], network_calls: list[str], name: str
) -> None:
    """Each that the checkpoint's entry lists, on both engines: the same picture, with the right number of calls."""
    model, folders = configured(name)
    planner = Planner(ImageModels({model.id: model}, model.id), OPENVINO)
    verified = {engine: manifest.begin_verifying(folders / engine) for engine in ("openvino", "torch")}
    by_openvino = OpenVINOEngine.load(folders / "openvino", model, OPENVINO, verified["openvino"])
    engines: list[Engine] = [by_openvino, TorchEngine.load(folders / "torch", TORCH, verified["torch"])]
    for scheduler in model.schedulers:
        request = GenerateRequest(prompt=PROMPT, num_inference_steps=4, scheduler=scheduler, seed=SEED)
        described = planner.plan(request).spec
        images = [np.array(each.generate(described, lambda _step, _of: None).images[0], dtype=int) for each in engines]
        assert len(network_calls) == 2 * (5 if scheduler == "pndm" else 4), scheduler
        network_calls.clear()
        difference = np.abs(images[0] - images[1])
        assert images[0].std() > 10, scheduler
        assert difference.mean() < 1, scheduler
    by_openvino.close()


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
