"""Damaged configurations end with one message that names the file and the setting; incomplete ones are completed.

Nothing is converted here: the checks run before weights are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import CLIPTokenizer

from imagegen.catalog.registry import Model
from imagegen.engines.schedulers.config import SchedulerConfig
from models.prepare import configuration, flops, source
from models.prepare.completed import completed
from models.prepare.errors import PrepareError
from models.prepare.pipeline_index import weights_of
from tests.support import checkpoints

Damage = Callable[[Path], object]
UNET, VAE, TEXT = "unet/config.json", "vae/config.json", "text_encoder/config.json"
SCHEDULER, TOKENIZER, INDEX = "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json", "model_index.json"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return checkpoints.demo(tmp_path / "mine")


def changed(file: str, *without: str, **settings: object) -> Damage:
    return lambda folder: checkpoints.change(folder, file, *without, **settings)


def written(file: str, content: bytes) -> Damage:
    return lambda folder: (folder / file).write_bytes(content)


def removed(file: str) -> Damage:
    return lambda folder: (folder / file).unlink()


def complete(folder: Path) -> tuple[Model, dict[str, dict[str, Any]], list[str]]:
    """Do what preparation does before it converts. Returns the entry, the complete files and the notes."""
    model = source.find(str(folder)).model
    found = configuration.read(folder)
    with completed(folder, found, weights_of(folder, source.files_of(folder))) as view:
        flops.count(model, view, None)
        files = {file: json.loads((view / file).read_text()) for file in (UNET, VAE, TEXT, SCHEDULER, TOKENIZER)}
        assert json.loads((view / INDEX).read_text())["scheduler"] == ["diffusers", files[SCHEDULER]["_class_name"]]
        assert len(CLIPTokenizer.from_pretrained(view / "tokenizer")("a" * 500, truncation=True).input_ids) <= 32
    return model, files, found.notes


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (removed(UNET), [UNET, "missing"]),
        (removed(VAE), [VAE, "missing"]),
        (removed(TEXT), [TEXT, "missing"]),
        (removed(SCHEDULER), [SCHEDULER, "missing"]),
        (removed("tokenizer/tokenizer.json"), ["tokenizer", "vocab.json"]),
        (written(UNET, b"{"), [UNET, "JSON"]),
        (written(VAE, b"\xff"), [VAE, "JSON"]),
        (written(TEXT, b"[]"), [TEXT, "JSON object"]),
        (written(INDEX, b"7"), [INDEX, "JSON object"]),
        (written(TOKENIZER, b"{"), [TOKENIZER, "JSON"]),
        (changed(INDEX, "unet"), [INDEX, "unet"]),
        (changed(INDEX, "scheduler"), [INDEX, "scheduler"]),
        (changed(INDEX, "_class_name"), ["pipeline None"]),
        (changed(INDEX, vae=[None, None]), [INDEX, "vae"]),
        (changed(INDEX, unet="UNet2DConditionModel"), [INDEX, "unet"]),
        (changed(INDEX, unet=["diffusers"]), [INDEX, "unet"]),
        (changed(INDEX, _class_name="StableDiffusionXLPipeline"), [INDEX, "text_encoder_2", "tokenizer_2"]),
        (changed(UNET, sample_size="16"), [UNET, "sample_size is '16'"]),
        (changed(UNET, sample_size=0), [UNET, "sample_size is 0"]),
        (changed(UNET, sample_size=[16]), [UNET, "sample_size is [16]"]),
        (changed(UNET, in_channels=None), [UNET, "in_channels is None"]),
        (changed(UNET, in_channels=9), [UNET, "9", "4", "only text-to-image"]),
        (changed(UNET, cross_attention_dim=64), [UNET, "cross_attention_dim is 64", "128"]),
        (changed(UNET, cross_attention_dim=[128, 128]), [UNET, "cross_attention_dim is [128, 128]"]),
        (changed(UNET, "cross_attention_dim"), [UNET, "cross_attention_dim is 1280", "128"]),
        (changed(UNET, addition_embed_type="text_time"), [UNET, "addition_embed_type", "pipeline"]),
        (changed(UNET, time_cond_proj_dim="256"), [UNET, "time_cond_proj_dim is '256'"]),
        (changed(VAE, "_class_name"), [VAE, "_class_name is missing"]),
        (changed(VAE, _class_name="VQModel"), [VAE, "_class_name is 'VQModel'"]),
        (changed(VAE, latent_channels=16), [UNET, VAE, "16"]),
        (changed(VAE, scaling_factor="0.18"), [VAE, "scaling_factor is '0.18'"]),
        (changed(VAE, scaling_factor=0), [VAE, "scaling_factor is 0"]),
        (changed(VAE, block_out_channels=[]), [VAE, "block_out_channels is []"]),
        (changed(TEXT, hidden_size="128"), [TEXT, "hidden_size is '128'"]),
        (changed(TEXT, "hidden_size"), [UNET, "cross_attention_dim is 128", "512"]),
        (changed(TEXT, max_position_embeddings=-1), [TEXT, "max_position_embeddings is -1"]),
        (changed(SCHEDULER, _class_name="MyScheduler"), [SCHEDULER, "_class_name is 'MyScheduler'"]),
        (changed(SCHEDULER, _class_name="FlowMatchEulerDiscreteScheduler"), [SCHEDULER, "noise schedule"]),
        (changed(SCHEDULER, prediction_type="velocity"), [SCHEDULER, "prediction_type is 'velocity'"]),
        (changed(SCHEDULER, beta_schedule="cosine"), [SCHEDULER, "beta_schedule is 'cosine'"]),
        (changed(SCHEDULER, beta_start="0.1"), [SCHEDULER, "beta_start is '0.1'"]),
        (changed(SCHEDULER, num_train_timesteps=0), [SCHEDULER, "num_train_timesteps is 0"]),
        (changed(SCHEDULER, timestep_spacing="even"), [SCHEDULER, "timestep_spacing is 'even'"]),
        (changed(SCHEDULER, rescale_betas_zero_snr="yes"), [SCHEDULER, "rescale_betas_zero_snr is 'yes'"]),
        (changed(SCHEDULER, _class_name="EDMEulerScheduler"), [SCHEDULER, "noise schedule of EDMEulerScheduler"]),
        (changed(SCHEDULER, _class_name="FlowMatchHeunDiscreteScheduler"), [SCHEDULER, "FlowMatchHeun"]),
        (changed(SCHEDULER, timestep_type="continuous"), [SCHEDULER, "timestep_type is 'continuous'"]),
        (changed(SCHEDULER, use_flow_sigmas=True), [SCHEDULER, "use_flow_sigmas is True"]),
        (changed(SCHEDULER, variance_type="learned_range"), [SCHEDULER, "variance_type is 'learned_range'"]),
        (changed(SCHEDULER, trained_betas=[0.1] * 10), [SCHEDULER, "trained_betas has 10 values", "1000"]),
        (changed(SCHEDULER, trained_betas=[0.1] * 999 + [2.0]), [SCHEDULER, "trained_betas.999 is 2.0"]),
        (changed(SCHEDULER, beta_end=1.5), [SCHEDULER, "beta_end is 1.5", "less than 1"]),
        (changed(SCHEDULER, original_inference_steps=0), [SCHEDULER, "original_inference_steps is 0"]),
        (changed(SCHEDULER, original_inference_steps="50"), [SCHEDULER, "original_inference_steps is '50'"]),
        (changed(SCHEDULER, sigma_min=20.0, sigma_max=10.0), [SCHEDULER, "sigma_min is 20.0", "sigma_max"]),
        (changed(SCHEDULER, final_sigmas_type="none"), [SCHEDULER, "final_sigmas_type is 'none'"]),
    ],
)
def test_a_damaged_configuration_is_named(checkpoint: Path, damage: Damage, names: list[str]) -> None:
    damage(checkpoint)
    with pytest.raises(PrepareError) as caught:
        complete(checkpoint)
    assert [name for name in names if name not in str(caught.value)] == []


def test_a_complete_configuration_needs_no_notes(checkpoint: Path) -> None:
    before = {file: json.loads((checkpoint / file).read_text()) for file in (UNET, VAE, TEXT, SCHEDULER, TOKENIZER)}
    _, files, notes = complete(checkpoint)
    scheduler = files.pop(SCHEDULER)
    settings = before.pop(SCHEDULER)
    assert files == before
    assert notes == []
    assert scheduler.items() >= {name: settings[name] for name in settings.keys() & scheduler.keys()}.items()


@pytest.mark.parametrize(
    ("damage", "file", "setting", "value", "note"),
    [
        (changed(UNET, "sample_size"), UNET, "sample_size", 64, "unet/config.json has no sample_size: 512 x 512"),
        (changed(UNET, sample_size=None), UNET, "sample_size", 64, "512 x 512"),
        (changed(UNET, sample_size=[16, 24]), UNET, "sample_size", 24, None),
        (changed(VAE, "scaling_factor"), VAE, "scaling_factor", 0.18215, "vae/config.json has no scaling_factor"),
        (changed(TOKENIZER, "model_max_length"), TOKENIZER, "model_max_length", 32, f"{TOKENIZER}: model_max_length"),
        (changed(TOKENIZER, model_max_length=10**30), TOKENIZER, "model_max_length", 32, "32 tokens: 32 is used"),
        (changed(TOKENIZER, model_max_length=77), TOKENIZER, "model_max_length", 32, "is 77"),
        (removed(TOKENIZER), TOKENIZER, "model_max_length", 32, "is missing"),
    ],
)
def test_what_a_configuration_leaves_out_is_filled_in(
    checkpoint: Path, damage: Damage, file: str, setting: str, value: object, note: str | None
) -> None:
    damage(checkpoint)
    _, files, notes = complete(checkpoint)
    assert files[file][setting] == value
    assert len(notes) == (1 if note else 0)
    assert (note or "") in "".join(notes)


def test_a_pair_of_sample_sizes_gives_height_and_width(checkpoint: Path) -> None:
    model, _, _ = complete(checkpoints.change(checkpoint, UNET, sample_size=[16, 24]))
    assert (model.defaults.height, model.defaults.width) == (128, 192)
    assert (model.limits.min_size, model.limits.max_size) == (96, 288)


CLASSES = {
    "UniPCMultistepScheduler": "DPMSolverMultistepScheduler",
    "DEISMultistepScheduler": "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler": "EulerAncestralDiscreteScheduler",
}
"""What is written for classes that we do not have. Some of them cannot even be imported without further packages."""


@pytest.mark.parametrize(
    ("class_name", "settings", "expected"),
    [
        ("PNDMScheduler", {}, {"timestep_spacing": "leading", "set_alpha_to_one": False, "prediction_type": "epsilon"}),
        ("DEISMultistepScheduler", {}, {"timestep_spacing": "linspace", "beta_schedule": "scaled_linear"}),
        ("DPMSolverMultistepScheduler", {"lambda_min_clipped": -float("inf")}, {"timestep_spacing": "linspace"}),
        ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}, {"timestep_spacing": "trailing"}),
        ("DDIMScheduler", {"clip_sample": True, "thresholding": True}, {"set_alpha_to_one": True}),
        ("DDIMScheduler", {"prediction_type": "v_prediction"}, {"prediction_type": "v_prediction"}),
        ("DDIMScheduler", {"rescale_betas_zero_snr": True}, {"rescale_betas_zero_snr": True}),
        ("PNDMScheduler", {"steps_offset": 0}, {"steps_offset": 1}),
        ("EulerDiscreteScheduler", {"use_karras_sigmas": True}, {"use_karras_sigmas": True}),
        ("UniPCMultistepScheduler", {"use_karras_sigmas": True}, {"use_karras_sigmas": True}),
        ("DPMSolverSDEScheduler", {"use_karras_sigmas": True}, {"use_karras_sigmas": True}),
        ("LCMScheduler", {"original_inference_steps": 40}, {"original_inference_steps": 40, "timestep_scaling": 10.0}),
    ],
)
def test_the_schedule_is_written_in_full(
    checkpoint: Path, class_name: str, settings: dict[str, Any], expected: dict[str, Any]
) -> None:
    """No value is left to the defaults of the class that a request names, and latents are never clipped."""
    _, files, _ = complete(checkpoints.with_scheduler(checkpoint, class_name, **settings))
    scheduler = files[SCHEDULER]
    class_name = CLASSES.get(class_name, class_name)
    always = {"_class_name": class_name, "clip_sample": False, "thresholding": False, "steps_offset": 1}
    assert {name: scheduler[name] for name in always | expected} == always | expected
    assert scheduler.keys() - {"_class_name"} <= SchedulerConfig.model_fields.keys()
    assert {"num_train_timesteps", "prediction_type", "timestep_spacing", "steps_offset"} <= scheduler.keys()


@pytest.mark.parametrize(
    ("class_name", "settings", "note"),
    [
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, "'dpmsolver++' is used"),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver"}, "'dpmsolver++' is used"),
        ("DPMSolverMultistepScheduler", {"solver_order": 3}, "2 is used"),
        ("DPMSolverMultistepScheduler", {"solver_type": "heun"}, "'midpoint' is used"),
        ("DPMSolverMultistepScheduler", {"lambda_min_clipped": -5.1}, "None is used"),
        ("DPMSolverMultistepScheduler", {"use_lu_lambdas": True}, "False is used"),
        ("EulerDiscreteScheduler", {"use_exponential_sigmas": True}, "False is used"),
        ("EulerDiscreteScheduler", {"use_beta_sigmas": True}, "False is used"),
        ("EulerDiscreteScheduler", {"interpolation_type": "log_linear"}, "'linear' is used"),
        ("UniPCMultistepScheduler", {"use_beta_sigmas": True}, "False is used"),
        ("PNDMScheduler", {"skip_prk_steps": False}, "True is used"),
    ],
)
def test_a_way_of_stepping_that_we_do_not_have_is_replaced_and_noted(
    checkpoint: Path, class_name: str, settings: dict[str, Any], note: str
) -> None:
    """It does not depend on the training, so every scheduler still draws."""
    ((name, value),) = settings.items()
    _, _, notes = complete(checkpoints.with_scheduler(checkpoint, class_name, **settings))
    assert notes == [f"{SCHEDULER}: {name} is {value!r}, which is not available: {note}"]


def test_settings_of_other_classes_and_unknown_ones_are_left_out(checkpoint: Path) -> None:
    settings = {"solver_order": 2, "solver_type": "bh2", "predict_x0": True, "sample_max_value": 2.0, "mine": [1, {}]}
    _, files, notes = complete(checkpoints.with_scheduler(checkpoint, "UniPCMultistepScheduler", **settings))
    assert notes == []
    assert not settings.keys() & files[SCHEDULER].keys()


def test_the_betas_of_the_class_are_written(checkpoint: Path) -> None:
    """LCM's class has other defaults than the other schedulers'."""
    (checkpoint / SCHEDULER).write_text(json.dumps({"_class_name": "LCMScheduler"}))
    _, files, _ = complete(checkpoint)
    assert {name: files[SCHEDULER][name] for name in checkpoints.BETAS} == checkpoints.BETAS
    (checkpoint / SCHEDULER).write_text(json.dumps({"_class_name": "PNDMScheduler"}))
    _, files, _ = complete(checkpoint)
    assert {name: files[SCHEDULER][name] for name in checkpoints.BETAS} == {
        "beta_schedule": "linear",
        "beta_start": 0.0001,
        "beta_end": 0.02,
    }
