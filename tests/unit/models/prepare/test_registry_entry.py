"""The entry that `make model` prints follows the checkpoint's own configuration and what was measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from imagegen.catalog.manifest import Trial
from imagegen.catalog.registry import Model
from imagegen.engines import schedulers
from imagegen.engines.schedulers.config import SchedulerConfig
from models.prepare import registry_entry
from models.prepare.errors import PrepareError
from tests.conftest import ROOT

DEMO = ROOT / "function" / "models" / "demo"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The demo model's configuration files."""
    return Path(shutil.copytree(DEMO, tmp_path / "checkpoint", ignore=shutil.ignore_patterns("*.safetensors")))


def infer(checkpoint: Path, class_name: str, **settings: object) -> tuple[Model, tuple[str, ...]]:
    file = checkpoint / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({"_class_name": class_name, **settings}))
    return registry_entry.infer("mine", "folder", "0123", checkpoint)


def trial(*schedulers: str, peak_mb: int = 300, **refused: str) -> Trial:
    return Trial(schedulers, refused, {"float32": peak_mb})


@pytest.mark.parametrize(
    ("class_name", "settings", "scheduler", "steps", "guidance", "max_steps"),
    [
        ("DDIMScheduler", {}, "ddim", 20, 7.5, 50),
        ("PNDMScheduler", {}, "pndm", 20, 7.5, 50),
        ("EulerDiscreteScheduler", {}, "euler", 20, 7.5, 50),
        ("EulerAncestralDiscreteScheduler", {}, "euler_ancestral", 20, 7.5, 50),
        ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, "dpm_multistep", 20, 7.5, 50),
        ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}, "euler", 2, 0.0, 8),
        ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}, "euler_ancestral", 2, 0.0, 8),
        ("DDIMScheduler", {"timestep_spacing": "trailing"}, "ddim", 20, 7.5, 50),
        (
            "EulerDiscreteScheduler",
            {"timestep_spacing": "trailing", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
            "euler",
            20,
            7.5,
            50,
        ),
        ("LCMScheduler", {}, "lcm", 4, 1.0, 8),
    ],
)
def test_scheduler_and_steps_come_from_the_checkpoint(
    checkpoint: Path,
    class_name: str,
    settings: dict[str, Any],
    scheduler: str,
    steps: int,
    guidance: float,
    max_steps: int,
) -> None:
    model, notes = infer(checkpoint, class_name, **settings)
    assert (model.defaults.scheduler, model.schedulers[0]) == (scheduler, scheduler)
    assert (model.defaults.num_inference_steps, model.defaults.guidance_scale) == (steps, guidance)
    assert model.limits.max_steps == max_steps
    assert notes == ()


@pytest.mark.parametrize(
    ("class_name", "settings", "steps", "max_steps"),
    [
        ("DDIMScheduler", {"num_train_timesteps": 1000}, 20, 50),
        ("DDIMScheduler", {"num_train_timesteps": 50}, 20, 25),
        ("DDIMScheduler", {"num_train_timesteps": 10}, 5, 5),
        ("DDIMScheduler", {"original_inference_steps": 4}, 20, 50),
        ("LCMScheduler", {"original_inference_steps": 4}, 4, 4),
        ("LCMScheduler", {"original_inference_steps": 2}, 2, 2),
    ],
)
def test_no_more_steps_are_offered_than_the_schedule_has(
    checkpoint: Path, class_name: str, settings: dict[str, Any], steps: int, max_steps: int
) -> None:
    """A request for more is 422 for num_inference_steps, with the range."""
    model, _ = infer(checkpoint, class_name, **settings)
    assert (model.defaults.num_inference_steps, model.limits.max_steps) == (steps, max_steps)
    config = SchedulerConfig(original_inference_steps=settings.get("original_inference_steps", 50))
    if settings.get("num_train_timesteps", 1000) < 1000:
        config = SchedulerConfig(num_train_timesteps=settings["num_train_timesteps"])
    for name in model.schedulers:
        for count in range(1, max_steps + 1):
            schedulers.create(name, config, count, lambda: None)


@pytest.mark.parametrize(
    ("class_name", "nearest"),
    [
        ("DEISMultistepScheduler", "dpm_multistep"),
        ("HeunDiscreteScheduler", "euler"),
        ("KDPM2AncestralDiscreteScheduler", "euler_ancestral"),
        ("DDPMScheduler", "ddim"),
        ("TCDScheduler", "lcm"),
        ("VQDiffusionScheduler", "ddim"),
    ],
)
def test_the_nearest_scheduler_replaces_one_that_we_do_not_have(
    checkpoint: Path, class_name: str, nearest: str
) -> None:
    model, (note,) = infer(checkpoint, class_name)
    assert model.defaults.scheduler == nearest
    assert class_name in note
    assert nearest in note


def test_every_scheduler_is_offered_whatever_the_networks_predict(checkpoint: Path) -> None:
    settings = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    for class_name, default in (("DDIMScheduler", "ddim"), ("PNDMScheduler", "pndm"), ("LCMScheduler", "lcm")):
        model, _ = infer(checkpoint, class_name, **settings)
        assert model.schedulers[0] == default
        assert {"ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"} <= set(model.schedulers)


def test_memory_is_what_was_measured_and_a_margin(checkpoint: Path) -> None:
    model, _ = infer(checkpoint, "DDIMScheduler")
    openvino = Trial(("ddim",), {}, {"float32": 300, "bfloat16": 200})
    done, _ = registry_entry.measured(model, {"openvino": openvino, "torch": trial("ddim", peak_mb=520)})
    assert (done.memory_mb.float32, done.memory_mb.half) == (800, 400)
    only, _ = registry_entry.measured(model, {"openvino": trial("ddim", peak_mb=300)})
    assert (only.memory_mb.float32, only.memory_mb.half) == (600, 600)


def test_what_an_engine_cannot_draw_is_not_offered(checkpoint: Path) -> None:
    model, _ = infer(checkpoint, "EulerDiscreteScheduler", use_karras_sigmas=True)
    done, (note,) = registry_entry.measured(
        model,
        {
            "openvino": trial("ddim", "euler_ancestral", "pndm", euler="Karras sigmas are not supported"),
            "torch": trial("ddim", "euler", "euler_ancestral", "pndm", "dpm_multistep"),
        },
    )
    assert done.schedulers == ("ddim", "euler_ancestral", "pndm", "dpm_multistep")
    assert done.defaults.scheduler == "ddim"
    assert "Karras sigmas are not supported" in note


def test_a_model_that_no_scheduler_draws_is_not_offered(checkpoint: Path) -> None:
    model, _ = infer(checkpoint, "DDIMScheduler")
    with pytest.raises(PrepareError, match="a reason"):
        registry_entry.measured(model, {"openvino": trial("euler"), "torch": trial(ddim="x", euler="a reason")})
