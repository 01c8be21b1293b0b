"""Converts a checkpoint for the OpenVINO engine: text encoders, denoiser, encoder and decoder of images as one network
each, and tokenizers.

Covered: Stable Diffusion 1.x, 2.x, XL and latent consistency models in diffusers layout. Not covered: denoisers that
were trained for inpainting, LoRA, ControlNet. Only one network at a time is in memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTokenizer

from imagegen.catalog.registry import Model
from models.prepare import networks, openvino_modules
from models.prepare.openvino_export import InputSpec, export
from models.prepare.pipeline_index import COMPONENTS, INDEX, components, read_index
from models.prepare.tokenizer import save_tokenizer


def convert(model: Model, checkpoint: Path, decoder: Path | None, folder: Path) -> None:
    """Write the converted checkpoint to `folder`. `decoder` replaces its vae.

    Raises PrepareError if weights do not match their network.
    """
    index = read_index(checkpoint)
    names = [name for name in components(index) if name in COMPONENTS]
    for name in names:
        if name.startswith("tokenizer"):
            _convert_tokenizer(checkpoint, folder, name)
        elif name.startswith("text_encoder"):
            _convert_text_encoder(model, checkpoint / name, folder / name)
    _convert_unet(model, checkpoint, folder / "unet")
    autoencoder = decoder or checkpoint / "vae"
    _convert_encoder(autoencoder, folder / "vae_encoder")
    _convert_decoder(autoencoder, folder / "vae_decoder")
    scheduler = "scheduler/scheduler_config.json"
    _write(folder / scheduler, (checkpoint / scheduler).read_text())
    _write_json(folder / INDEX, index)


def _convert_tokenizer(checkpoint: Path, folder: Path, name: str) -> None:
    encoder = checkpoint / name.replace("tokenizer", "text_encoder") / "config.json"
    window = json.loads(encoder.read_text())["max_position_embeddings"]
    save_tokenizer(CLIPTokenizer.from_pretrained(checkpoint / name), folder / name / "tokenizer.json", window)


def _convert_text_encoder(model: Model, source: Path, folder: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    pooled = folder.name == "text_encoder_2"
    encoder = networks.load(COMPONENTS[folder.name][0], source, networks.stored_dtype(source))
    export(
        openvino_modules.TextEncoder(encoder, penultimate=model.family == "stable-diffusion-xl", pooled=pooled),
        folder,
        inputs={"input_ids": InputSpec((-1, config["max_position_embeddings"]), torch.int64)},
        outputs=["hidden_states", "text_embeds"] if pooled else ["hidden_states"],
        int8=model.weights == "int8",
    )
    _write_json(folder / "config.json", config)


def _convert_unet(model: Model, checkpoint: Path, folder: Path) -> None:
    source = checkpoint / "unet"
    unet = networks.load("UNet2DConditionModel", source, networks.stored_dtype(source))
    openvino_modules.decompose_scaled_norms(unet)
    openvino_modules.split_geglus(unet)
    tokens = json.loads((checkpoint / "text_encoder" / "config.json").read_text())["max_position_embeddings"]
    inputs = {
        "sample": InputSpec((-1, unet.config.in_channels, -1, -1)),
        "timestep": InputSpec((1,)),  # fractional with linspace spacing and Karras' noise levels
        "encoder_hidden_states": InputSpec((-1, tokens, unet.config.cross_attention_dim)),
    }
    conditions = {name: InputSpec((-1, width)) for name, width in networks.conditions(unet.config, checkpoint).items()}
    export(
        openvino_modules.Denoiser(unet, list(conditions)),
        folder,
        inputs={**inputs, **conditions},
        outputs=["out_sample"],
        int8=model.weights == "int8",
    )
    _write(folder / "config.json", (source / "config.json").read_text())


def _convert_encoder(source: Path, folder: Path) -> None:
    config = _autoencoder_config(source)
    autoencoder = networks.load(config["_class_name"], source, networks.stored_dtype(source))
    openvino_modules.normalize_by_channels(autoencoder.encoder)
    export(
        openvino_modules.PixelsEncoder(autoencoder, config["scaling_factor"]),
        folder,
        inputs={"image": InputSpec((-1, -1, -1, 3), torch.uint8)},
        outputs=["latents"],
        int8=False,  # it would save little, and its errors would be in every pixel of the result
    )
    _write_json(folder / "config.json", config)


def _convert_decoder(source: Path, folder: Path) -> None:
    config = _autoencoder_config(source)
    autoencoder = networks.load(config["_class_name"], source, networks.stored_dtype(source))
    export(
        openvino_modules.LatentsDecoder(autoencoder),
        folder,
        inputs={"latent_sample": InputSpec((-1, config["latent_channels"], -1, -1))},
        outputs=["image"],
        int8=False,  # it would save little, as the decoder is small, and its errors are visible in every pixel
    )
    _write_json(folder / "config.json", config)


def _autoencoder_config(source: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((source / "config.json").read_text())
    if networks.autoencoder_class(source) == "AutoencoderTiny":
        config |= {"scaling_factor": 1.0}  # its latents are not scaled
    return config


def _write_json(file: Path, document: dict[str, Any]) -> None:
    _write(file, json.dumps(document, indent=1) + "\n")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
