"""Loads a checkpoint's networks with the classes of diffusers and transformers.

Never runs the checkpoint's own code and never loads a pickle.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors import safe_open
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from models.prepare.errors import PrepareError

diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

CLASSES: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (AutoencoderKL, AutoencoderTiny, CLIPTextModel, CLIPTextModelWithProjection, UNet2DConditionModel)
}


def load(class_name: str, folder: Path, dtype: torch.dtype) -> Any:
    """Return the network with weights of `dtype`. Tensors that are stored in that dtype are memory-mapped.

    Raises PrepareError if the weights do not match the network's configuration.
    """
    try:
        network, loading_info = CLASSES[class_name].from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (RuntimeError, ValueError) as error:  # the shapes differ
        raise PrepareError(f"the weights of the {folder.name} do not match its config.json: {error}") from error
    missing = sorted(loading_info["missing_keys"])
    if missing:  # the libraries would initialize them randomly
        raise PrepareError(f"the {folder.name} lacks weights: {', '.join(missing[:3])}")
    return network


def build(class_name: str, folder: Path) -> Any:
    """Return the network without its weights, on torch's current default device."""
    kind, config = CLASSES[class_name], json.loads((folder / "config.json").read_text())
    if issubclass(kind, transformers.PreTrainedModel):
        return kind(kind.config_class(**config))
    return kind.from_config(config)


def conditions(unet: Any, checkpoint: Path) -> dict[str, int]:
    """Return the width of each input that the unet has beyond sample, timestep and text, by diffusers' names."""
    widths = {}
    if unet.time_cond_proj_dim is not None:
        widths["timestep_cond"] = int(unet.time_cond_proj_dim)
    if unet.addition_embed_type == "text_time":
        pooled = json.loads((checkpoint / "text_encoder_2" / "config.json").read_text())["projection_dim"]
        widths |= {"text_embeds": pooled, "time_ids": 6}
    return widths


def autoencoder_class(folder: Path) -> str:
    """Return the class name in the autoencoder's config.json: a checkpoint can have a tiny one as its vae."""
    return str(json.loads((folder / "config.json").read_text())["_class_name"])


def stored_dtype(folder: Path) -> torch.dtype:
    """Return float16 if most of the folder's weights are float16, else float32, which every other dtype fits into."""
    stored: Counter[str] = Counter()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            for tensor in map(opened.get_slice, opened.keys()):
                stored[tensor.get_dtype()] += math.prod(tensor.get_shape())
    return torch.float16 if stored.most_common(1)[0][0] == "F16" else torch.float32
