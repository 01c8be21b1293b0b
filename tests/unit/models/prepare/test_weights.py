"""Which files of a component are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.prepare import weights
from models.prepare.errors import PrepareError
from models.prepare.weights import Weights

UNET = "diffusion_pytorch_model"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model.safetensors", "model.fp16.safetensors"], Weights("model", "", ("model.safetensors",), None)),
        ([f"{UNET}.fp16.safetensors"], Weights(UNET, "fp16", (f"{UNET}.fp16.safetensors",), None)),
        (
            [f"{UNET}.bf16.safetensors", f"{UNET}.non_ema.safetensors"],
            Weights(UNET, "bf16", (f"{UNET}.bf16.safetensors",), None),
        ),
        ([f"{UNET}.non_ema.safetensors"], Weights(UNET, "non_ema", (f"{UNET}.non_ema.safetensors",), None)),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            Weights(
                "model",
                "",
                ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
                "model.safetensors.index.json",
            ),
        ),
        (
            ["model.fp16-00001-of-00001.safetensors", "model.safetensors.index.fp16.json"],
            Weights("model", "fp16", ("model.fp16-00001-of-00001.safetensors",), "model.safetensors.index.fp16.json"),
        ),
        (
            [f"{UNET}-00001-of-00001.fp16.safetensors", f"{UNET}.fp16.safetensors.index.json"],
            Weights(UNET, "fp16", (f"{UNET}-00001-of-00001.fp16.safetensors",), f"{UNET}.fp16.safetensors.index.json"),
        ),
        (
            ["model-00001-of-00002.safetensors", "model.safetensors.index.json", "model.fp16.safetensors"],
            Weights("model", "fp16", ("model.fp16.safetensors",), None),
        ),
    ],
)
def test_full_weights_come_first_then_the_variants(names: list[str], expected: Weights) -> None:
    assert weights.choose("unet", ["config.json", "pytorch_model.bin", *names]) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["diffusion_pytorch_model.bin"], "unet/diffusion_pytorch_model.bin"),
        (["diffusion_pytorch_model.bin"], "safe_serialization=True"),
        ([], "no weights"),
        (["model-00001-of-00002.safetensors", "model.safetensors.index.json"], "lacks shards"),
        (["model-00001-of-00001.safetensors"], "the index"),
    ],
)
def test_the_error_names_what_was_found_and_the_way_out(names: list[str], expected: str) -> None:
    with pytest.raises(PrepareError, match=expected):
        weights.choose("unet", ["config.json", *names])


@pytest.mark.parametrize(
    ("index", "expected"), [("{", "not an index"), ("[]", "not an index"), ('{"weight_map": {"a": "b"}}', "names b")]
)
def test_a_damaged_index_is_named(tmp_path: Path, index: str, expected: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(PrepareError, match=expected):
        weights.check(tmp_path, Weights("model", "", (), "model.safetensors.index.json"))
