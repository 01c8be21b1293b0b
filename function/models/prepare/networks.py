"""The networks of a checkpoint, each loaded by its own class: no code of the checkpoint's is run, no pickle read."""

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

from models.prepare.pipeline_index import Refused

diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

CLASSES: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (AutoencoderKL, AutoencoderTiny, CLIPTextModel, CLIPTextModelWithProjection, UNet2DConditionModel)
}


def load(name: str, folder: Path, dtype: torch.dtype) -> Any:
    """The network in that type. Its tensors are mapped from the file where they are stored in it.

    Raises Refused where the weights are not those of the network that its configuration describes.
    """
    try:
        network, loaded = CLASSES[name].from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (RuntimeError, ValueError) as error:  # sizes that differ
        raise Refused(f"its {folder.name} does not fit its configuration: {error}") from error
    if loaded["missing_keys"]:  # which the libraries would fill with random numbers
        raise Refused(f"its {folder.name} lacks weights: {', '.join(sorted(loaded['missing_keys'])[:3])}")
    return network


def autoencoder(folder: Path) -> str:
    """The class of a decoder's folder: a checkpoint may come with a small one of its own."""
    return str(json.loads((folder / "config.json").read_text())["_class_name"])


def stored_type(folder: Path) -> torch.dtype:
    """float16 where most of the folder's weights are stored so, else float32, which holds every other type."""
    stored: Counter[str] = Counter()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            for tensor in map(opened.get_slice, opened.keys()):
                stored[tensor.get_dtype()] += math.prod(tensor.get_shape())
    return torch.float16 if stored.most_common(1)[0][0] == "F16" else torch.float32
