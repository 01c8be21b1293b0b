"""The engine with the demo model: what a request may rely on, whatever engine answers."""

from __future__ import annotations

import dataclasses
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline

from imagegen import manifest
from imagegen.engine_torch import TorchEngine
from imagegen.engines import choose_backend
from imagegen.errors import ModelUnavailable
from imagegen.registry import REGISTRY
from imagegen.request import GenerateRequest, Generation, resolve
from scenes import random_scene
from tests.model.conftest import DEMO
from vae import draw_scenes

CPU = choose_backend("cpu")


def generation(**fields: Any) -> Generation:
    request = GenerateRequest.parse(
        {"prompt": "a red circle on a white background", "num_inference_steps": 3, **fields}
    )
    return resolve(request, REGISTRY["demo"], seed=fields.get("seed", 7))


def draw(engine: TorchEngine, **fields: Any) -> list[bytes]:
    return [image.tobytes() for image in engine.generate(generation(**fields), lambda step, of: None).images]


def test_the_same_seed_gives_the_same_bytes(torch_engine: TorchEngine) -> None:
    assert draw(torch_engine, seed=1) == draw(torch_engine, seed=1)
    assert draw(torch_engine, seed=1) != draw(torch_engine, seed=2)


def test_image_i_is_the_single_image_of_seed_plus_i(torch_engine: TorchEngine) -> None:
    both = draw(torch_engine, seed=2**32 - 1, num_images_per_prompt=2)
    assert both == draw(torch_engine, seed=2**32 - 1) + draw(torch_engine, seed=0)


@pytest.mark.parametrize("scheduler", REGISTRY["demo"].schedulers)
def test_a_request_leaves_nothing_behind_for_the_next(torch_engine: TorchEngine, scheduler: str) -> None:
    before = draw(torch_engine, seed=1)
    other = draw(torch_engine, seed=1, scheduler=scheduler, guidance_scale=3, negative_prompt="a blue star")
    assert other != before
    assert draw(torch_engine, seed=1) == before


@pytest.mark.parametrize(("width", "height"), [(64, 128), (192, 96)])
def test_sizes_are_what_was_asked(torch_engine: TorchEngine, width: int, height: int) -> None:
    (image,) = torch_engine.generate(generation(width=width, height=height), lambda step, of: None).images
    assert image.size == (width, height)


def test_every_step_is_reported(torch_engine: TorchEngine) -> None:
    seen: list[tuple[int, int]] = []
    torch_engine.generate(generation(num_images_per_prompt=2), lambda step, of: seen.append((step, of)))
    assert seen == [(step, 6) for step in range(1, 7)]


def test_a_step_callback_that_raises_stops_the_run(torch_engine: TorchEngine) -> None:
    seen: list[int] = []

    def stop(step: int, of: int) -> None:
        seen.append(step)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        torch_engine.generate(generation(), stop)
    assert seen == [1]
    assert draw(torch_engine, seed=1)


def test_a_prompt_beyond_the_window_is_warned_about(
    torch_engine: TorchEngine, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    generated = torch_engine.generate(generation(prompt="canary " * 60), lambda step, of: None)
    assert [warning.split(":")[0] for warning in generated.warnings] == ["prompt_truncated"]
    assert "canary" not in caplog.text + "".join(capfd.readouterr())


def test_plain_diffusers_loads_the_folder() -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(DEMO)
    assert pipeline.scheduler.config.clip_sample is False
    assert pipeline.scheduler.config.rescale_betas_zero_snr is True
    assert {parameter.dtype for parameter in pipeline.unet.parameters()} == {torch.float32}
    image = pipeline("a red circle", width=128, height=128, num_inference_steps=1, guidance_scale=1.0).images[0]
    assert image.size == (128, 128)


def test_the_autoencoder_also_encodes(torch_engine: TorchEngine) -> None:
    """Image to image starts from there."""
    vae = torch_engine._pipeline.vae
    rng = random.Random(7)
    picture = draw_scenes([random_scene(rng, two=True, held_out=True)], rng)
    with torch.inference_mode():
        decoded = vae.decode(vae.encode(picture).latent_dist.mode()).sample
    assert (decoded - picture).square().mean() < 4 * 10**-2.8, "less than 28 dB"


def test_weights_in_the_computing_type_are_mapped_not_copied(tmp_path: Path) -> None:
    StableDiffusionPipeline.from_pretrained(DEMO).save_pretrained(tmp_path)
    manifest.write(tmp_path)
    engine = TorchEngine.load(tmp_path, CPU)
    spans = _mapped_spans(tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    addresses = [parameter.data_ptr() for parameter in engine._pipeline.unet.parameters()]
    assert addresses
    assert all(any(start <= address < end for start, end in spans) for address in addresses)


def _mapped_spans(file: Path) -> list[tuple[int, int]]:
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(file))]
    spans = [line.split()[0].split("-") for line in lines]
    return [(int(start, 16), int(end, 16)) for start, end in spans]


def test_the_model_is_small_enough_to_ship() -> None:
    sizes = [file.stat().st_size for file in DEMO.rglob("*") if file.is_file()]
    assert max(sizes) <= 12_000_000
    assert sum(sizes) <= 25_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "demo"))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("unet/diffusion_pytorch_model.safetensors", None),
        ("unet/diffusion_pytorch_model.safetensors", b"not safetensors at all"),
        ("vae/config.json", b"{"),
        ("model_index.json", b"{}"),
        ("tokenizer/tokenizer.json", b"{"),
        ("text_encoder/config.json", b'{"model_type": "clip_text_model", "hidden_size": 1}'),
    ],
)
@pytest.mark.parametrize("listed", [True, False], ids=["manifest fits", "manifest differs"])
def test_a_damaged_model_is_refused_by_name(folder: Path, file: str, content: bytes | None, listed: bool) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    if listed:
        manifest.write(folder)
    with pytest.raises(ModelUnavailable) as caught:
        TorchEngine.load(folder, CPU)
    assert str(folder) in caught.value.private
    if not listed:
        assert file in caught.value.private


def test_pickled_weights_are_not_read(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    manifest.write(folder)
    with pytest.raises(ModelUnavailable):
        TorchEngine.load(folder, CPU)


def test_the_revision_in_the_cache_key_is_that_of_the_weights() -> None:
    assert REGISTRY["demo"].revision == manifest.digest(DEMO)


def test_a_generation_names_its_revision() -> None:
    assert dataclasses.asdict(generation())["revision"] == REGISTRY["demo"].revision
