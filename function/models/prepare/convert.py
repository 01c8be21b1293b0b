"""A checkpoint as OpenVINO GenAI reads it: one network each for text encoders, denoiser and decoder, and tokenizers.

Covered: Stable Diffusion 1.x, 2.x and XL and latent consistency models in diffusers layout, drawing from text. Not
covered: an encoder for pictures, LoRA, ControlNet. One network at a time is in memory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import openvino
import openvino_tokenizers
import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention import FeedForward
from torch import Tensor, nn
from transformers import CLIPTokenizer

from imagegen.registry import Family, Model
from models.prepare import networks
from models.prepare import openvino_export as traced
from models.prepare.pipeline_index import INDEX, PARTS, parts, read

PIPELINES: Final[dict[Family, str]] = {
    "stable-diffusion": "StableDiffusionPipeline",
    "latent-consistency": "LatentConsistencyModelPipeline",
    "stable-diffusion-xl": "StableDiffusionXLPipeline",
}


def convert(model: Model, checkpoint: Path, decoder: Path | None, folder: Path) -> None:
    """Write the checkpoint's networks, with the small decoder in the place of its own where there is one."""
    index = read(checkpoint)
    named = [part for part in parts(index) if part in PARTS]
    for part in named:
        if part.startswith("tokenizer"):
            _convert_tokenizer(checkpoint / part, folder / part)
        elif part.startswith("text_encoder"):
            _convert_text_encoder(model, checkpoint / part, folder / part)
    _convert_unet(model, checkpoint, folder / "unet")
    _convert_decoder(decoder or checkpoint / "vae", folder / "vae_decoder")
    scheduler = "scheduler/scheduler_config.json"
    _write(folder / scheduler, (checkpoint / scheduler).read_text())
    # GenAI knows a tokenizer, and even a small decoder, by the first of the classes.
    components = {part: [index[part][0], PARTS[part][0]] for part in named} | {"scheduler": index["scheduler"]}
    options = {name: value for name, value in index.items() if isinstance(value, bool)}
    _write_json(folder / INDEX, {"_class_name": PIPELINES[model.family], **options, **components})


def _convert_tokenizer(source: Path, folder: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(source)
    network = openvino_tokenizers.convert_tokenizer(tokenizer, with_detokenizer=False)
    folder.mkdir(parents=True)
    openvino.save_model(network, folder / "openvino_tokenizer.xml")


class TextEncoder(nn.Module):
    """Token ids of shape (batch, tokens) to the last hidden states; for XL to everything the encoder has, in the order
    in which GenAI counts: two outputs that differ between the encoders, then each layer's hidden states."""

    def __init__(self, encoder: nn.Module, *, all_states: bool):
        super().__init__()
        self.encoder = encoder
        self.all_states = all_states

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        encoded = self.encoder(input_ids, output_hidden_states=self.all_states, return_dict=True)
        return (encoded[0], encoded[1], *encoded.hidden_states) if self.all_states else (encoded[0],)


def _convert_text_encoder(model: Model, source: Path, folder: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    projects = folder.name == "text_encoder_2"
    all_states = model.family == "stable-diffusion-xl"
    outputs = ["text_embeds", "last_hidden_state"] if projects else ["last_hidden_state", "pooler_output"]
    states = [f"hidden_states.{layer}" for layer in range(config["num_hidden_layers"] + 1)]
    encoder = networks.load(PARTS[folder.name][0], source, networks.stored_type(source))
    traced.save(
        TextEncoder(encoder, all_states=all_states),
        folder,
        inputs={"input_ids": traced.Port((-1, config["max_position_embeddings"]), torch.int64)},
        outputs=[*outputs, *states] if all_states else outputs[:1],
        int8=model.weights == "int8",
    )
    _write_json(folder / "config.json", config)


class SpelledOutGroupNorm(nn.Module):
    """Group normalisation (Wu and He, 2018) in elementary operations. In a network of fixed shape, OpenVINO 2026.4.1's
    CPU plugin crashes where its own operation is followed by a computed scale."""

    def __init__(self, norm: nn.GroupNorm):
        super().__init__()
        self.norm = norm

    def forward(self, hidden: Tensor) -> Tensor:
        grouped = hidden.reshape(hidden.shape[0], self.norm.num_groups, -1)
        centered = grouped - grouped.mean(-1, keepdim=True)
        scaled = centered * torch.rsqrt(centered.square().mean(-1, keepdim=True) + self.norm.eps)
        return scaled.reshape(hidden.shape) * self.norm.weight[:, None, None] + self.norm.bias[:, None, None]


def _spell_out_scaled_norms(unet: nn.Module) -> None:
    for block in unet.modules():
        if getattr(block, "time_embedding_norm", None) == "scale_shift":
            block.norm2 = SpelledOutGroupNorm(cast(nn.GroupNorm, block.norm2))


class HalvedGEGLU(nn.Module):
    """The gated linear unit of a transformer block (Shazeer, 2020), its projection cut into values and gates: OpenVINO
    fuses each half with what follows it, and copies nothing apart. A step of SD 1.5 takes two per cent less time."""

    def __init__(self, whole: GEGLU):
        super().__init__()
        self.value, self.gate = (_half(whole.proj, index) for index in (0, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        value: Tensor = self.value(hidden)
        return value * nn.functional.gelu(self.gate(hidden))


def _half(linear: nn.Linear, index: int) -> nn.Linear:
    """Shares the memory of the whole."""
    with torch.device("meta"):
        half = nn.Linear(linear.in_features, linear.out_features // 2)
    half.weight = nn.Parameter(linear.weight.chunk(2)[index], requires_grad=False)
    half.bias = nn.Parameter(linear.bias.chunk(2)[index], requires_grad=False)
    return half


def _halve_gated_units(unet: nn.Module) -> None:
    for block in unet.modules():
        if isinstance(block, FeedForward) and isinstance(block.net[0], GEGLU):
            block.net[0] = HalvedGEGLU(block.net[0])


class Denoiser(nn.Module):
    """One step, its inputs in the order of their names."""

    def __init__(self, unet: nn.Module, conditions: Sequence[str]):
        super().__init__()
        self.unet = unet
        self.conditions = conditions

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, *conditions: Tensor) -> Tensor:
        named = dict(zip(self.conditions, conditions, strict=True))
        guidance = named.pop("timestep_cond", None)
        if "time_ids" in named:  # three pairs: GenAI 2026.4 says the width first, the model learned the height first
            named["time_ids"] = named["time_ids"][:, [1, 0, 3, 2, 5, 4]]
        denoised: Tensor = self.unet(
            sample,
            timestep,
            encoder_hidden_states,
            timestep_cond=guidance,
            added_cond_kwargs=named or None,
            return_dict=False,
        )[0]
        return denoised


def _convert_unet(model: Model, checkpoint: Path, folder: Path) -> None:
    source = checkpoint / "unet"
    unet = networks.load("UNet2DConditionModel", source, networks.stored_type(source))
    _spell_out_scaled_norms(unet)
    _halve_gated_units(unet)
    tokens = json.loads((checkpoint / "text_encoder" / "config.json").read_text())["max_position_embeddings"]
    inputs = {
        "sample": traced.Port((-1, unet.config.in_channels, -1, -1)),
        "timestep": traced.Port((-1,), torch.int64),
        "encoder_hidden_states": traced.Port((-1, tokens, unet.config.cross_attention_dim)),
    }
    conditions = {}
    if unet.config.time_cond_proj_dim is not None:
        conditions["timestep_cond"] = traced.Port((-1, unet.config.time_cond_proj_dim))
    if model.family == "stable-diffusion-xl":
        pooled = json.loads((checkpoint / "text_encoder_2" / "config.json").read_text())["projection_dim"]
        conditions |= {"text_embeds": traced.Port((-1, pooled)), "time_ids": traced.Port((-1, 6))}
    traced.save(
        Denoiser(unet, list(conditions)),
        folder,
        inputs={**inputs, **conditions},
        outputs=["out_sample"],
        int8=model.weights == "int8",
    )
    _write(folder / "config.json", (source / "config.json").read_text())


class LatentsDecoder(nn.Module):
    """Latents to a picture within -1 and 1."""

    def __init__(self, autoencoder: Any):
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latent_sample: Tensor) -> Tensor:
        decoded: Tensor = self.autoencoder.decode(latent_sample, return_dict=False)[0]
        return decoded


def _convert_decoder(source: Path, folder: Path) -> None:
    name = networks.autoencoder(source)
    config = json.loads((source / "config.json").read_text())
    traced.save(
        LatentsDecoder(networks.load(name, source, networks.stored_type(source))),
        folder,
        inputs={"latent_sample": traced.Port((-1, config["latent_channels"], -1, -1))},
        outputs=["sample"],
        int8=False,  # few weights, and every pixel would show what they lose
    )
    if name == "AutoencoderTiny":  # its latents are not scaled; GenAI reads an eightfold size from the four widths
        config |= {"scaling_factor": 1.0, "shift_factor": None, "block_out_channels": [64] * 4}
    _write_json(folder / "config.json", config)


def _write_json(file: Path, document: dict[str, Any]) -> None:
    _write(file, json.dumps(document, indent=1) + "\n")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
