"""The torch engine only: memory-mapped weights, folders that it refuses to load. Also the shipped demo model."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from imagegen.catalog import manifest
from imagegen.engines.torch_engine import TorchEngine
from imagegen.errors import ModelUnavailable
from models.training.scenes import random_scene
from models.training.vae import draw_scenes
from tests.conftest import MODELS
from tests.model.conftest import DEMO, SHIPPED, TORCH
from tests.support.damage import assert_damage_is_found

PREPARED = MODELS / "demo" / "torch"


def test_plain_diffusers_loads_the_shipped_folder() -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(SHIPPED)
    assert pipeline.scheduler.config.clip_sample is False
    assert pipeline.scheduler.config.rescale_betas_zero_snr is True
    assert {parameter.dtype for parameter in pipeline.unet.parameters()} == {torch.float32}
    image = pipeline("a red circle", width=128, height=128, num_inference_steps=1, guidance_scale=1.0).images[0]
    assert image.size == (128, 128)


def test_the_autoencoder_also_encodes(torch_engine: TorchEngine) -> None:
    """As image-to-image needs it."""
    vae = torch_engine._pipeline.vae
    rng = random.Random(7)
    image = draw_scenes([random_scene(rng, two=True, held_out=True)], rng)
    with torch.inference_mode():
        decoded = vae.decode(vae.encode(image).latent_dist.mode()).sample
    assert (decoded - image).square().mean() < 4 * 10**-2.8, "less than 28 dB"


def test_weights_in_the_compute_dtype_are_memory_mapped(torch_engine: TorchEngine) -> None:
    spans = _mapped_spans(PREPARED / "unet" / "diffusion_pytorch_model.safetensors")
    addresses = [parameter.data_ptr() for parameter in torch_engine._pipeline.unet.parameters()]
    assert addresses
    assert all(any(start <= address < end for start, end in spans) for address in addresses)


def _mapped_spans(file: Path) -> list[tuple[int, int]]:
    """Return the address ranges at which this process maps the file."""
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(file.resolve()))]
    spans = [line.split()[0].split("-") for line in lines]
    return [(int(start, 16), int(end, 16)) for start, end in spans]


def test_the_model_is_small_enough_to_ship() -> None:
    sizes = [file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file()]
    assert max(sizes) <= 12_000_000
    assert sum(sizes) <= 25_000_000


def load(folder: Path) -> TorchEngine:
    return TorchEngine.load(folder, TORCH, manifest.begin_verifying(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PREPARED, tmp_path / "demo"))


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
@pytest.mark.parametrize("update_manifest", [True, False], ids=["manifest matches", "manifest differs"])
def test_the_error_names_the_damaged_file(
    folder: Path, file: str, content: bytes | None, update_manifest: bool
) -> None:
    assert_damage_is_found(load, folder, file, content, update_manifest=update_manifest)


def test_pickled_weights_are_not_loaded(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelUnavailable):
        manifest.write(folder)
    with pytest.raises(ModelUnavailable) as caught:
        load(folder)
    assert "pickle" in caught.value.private


def test_the_registered_revision_is_the_digest_of_the_shipped_folder() -> None:
    assert DEMO.revision == manifest.digest(SHIPPED)
