"""Converts a checkpoint for OpenVINO GenAI: text encoders, denoiser and decoder as one network each, and tokenizers.

Covered: text-to-image with Stable Diffusion 1.x, 2.x, XL and latent consistency models in diffusers layout.
Not covered: image encoders, LoRA, ControlNet. Only one network at a time is in memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import openvino
import openvino_tokenizers
import torch
from transformers import CLIPTokenizer

from imagegen.catalog.registry import Family, Model
from models.prepare import networks, openvino_modules
from models.prepare.openvino_export import InputSpec, export
from models.prepare.pipeline_index import COMPONENTS, INDEX, components, read_index

PIPELINES: Final[dict[Family, str]] = {
    "stable-diffusion": "StableDiffusionPipeline",
    "latent-consistency": "LatentConsistencyModelPipeline",
    "stable-diffusion-xl": "StableDiffusionXLPipeline",
}


def convert(model: Model, checkpoint: Path, decoder: Path | None, folder: Path) -> None:
    """Write the converted checkpoint to `folder`. `decoder` replaces its vae.

    Raises PrepareError if weights do not match their network.
    """
    index = read_index(checkpoint)
    names = [name for name in components(index) if name in COMPONENTS]
    for name in names:
        if name.startswith("tokenizer"):
            _convert_tokenizer(checkpoint / name, folder / name)
        elif name.startswith("text_encoder"):
            _convert_text_encoder(model, checkpoint / name, folder / name)
    _convert_unet(model, checkpoint, folder / "unet")
    _convert_decoder(decoder or checkpoint / "vae", folder / "vae_decoder")
    scheduler = "scheduler/scheduler_config.json"
    _write(folder / scheduler, (checkpoint / scheduler).read_text())
    # GenAI recognizes a tokenizer, and even a tiny decoder, only by the first of the supported classes.
    entries = {name: [index[name][0], COMPONENTS[name][0]] for name in names} | {"scheduler": index["scheduler"]}
    options = {name: value for name, value in index.items() if isinstance(value, bool)}
    _write_json(folder / INDEX, {"_class_name": PIPELINES[model.family], **options, **entries})


def _convert_tokenizer(source: Path, folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(source)
    network = openvino_tokenizers.convert_tokenizer(tokenizer, with_detokenizer=False)
    folder.mkdir(parents=True)
    openvino.save_model(network, folder / "openvino_tokenizer.xml")


def _convert_text_encoder(model: Model, source: Path, folder: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    has_projection = folder.name == "text_encoder_2"
    all_states = model.family == "stable-diffusion-xl"
    outputs = ["text_embeds", "last_hidden_state"] if has_projection else ["last_hidden_state", "pooler_output"]
    states = [f"hidden_states.{layer}" for layer in range(config["num_hidden_layers"] + 1)]
    encoder = networks.load(COMPONENTS[folder.name][0], source, networks.stored_dtype(source))
    export(
        openvino_modules.TextEncoder(encoder, all_states=all_states),
        folder,
        inputs={"input_ids": InputSpec((-1, config["max_position_embeddings"]), torch.int64)},
        outputs=[*outputs, *states] if all_states else outputs[:1],
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
        "timestep": InputSpec((-1,), torch.int64),
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


def _convert_decoder(source: Path, folder: Path) -> None:
    class_name = networks.autoencoder_class(source)
    config = json.loads((source / "config.json").read_text())
    export(
        openvino_modules.LatentsDecoder(networks.load(class_name, source, networks.stored_dtype(source))),
        folder,
        inputs={"latent_sample": InputSpec((-1, config["latent_channels"], -1, -1))},
        outputs=["sample"],
        int8=False,  # it would save little, as the decoder is small, and its errors are visible in every pixel
    )
    if class_name == "AutoencoderTiny":  # its latents are not scaled; from four widths GenAI infers 8 pixels per latent
        config |= {"scaling_factor": 1.0, "shift_factor": None, "block_out_channels": [64] * 4}
    _write_json(folder / "config.json", config)


def _write_json(file: Path, document: dict[str, Any]) -> None:
    _write(file, json.dumps(document, indent=1) + "\n")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
