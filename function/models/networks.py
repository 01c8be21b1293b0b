"""The networks of a checkpoint, each loaded by its own class: no code of the checkpoint's is run, no pickle read."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

CLASSES: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (AutoencoderKL, AutoencoderTiny, CLIPTextModel, CLIPTextModelWithProjection, UNet2DConditionModel)
}


def load(name: str, folder: Path, dtype: torch.dtype) -> Any:
    """The network in that type. Its tensors are mapped from the file where they are stored in it."""
    return CLASSES[name].from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)


def autoencoder(folder: Path) -> str:
    """The class of a decoder's folder: a checkpoint may come with a small one of its own."""
    return str(json.loads((folder / "config.json").read_text())["_class_name"])


def stored_type(folder: Path) -> torch.dtype:
    """float16 where most of the folder's safetensors are stored so, else float32, which holds every other type."""
    stored: dict[str, int] = {}
    for file in folder.glob("*.safetensors"):
        for tensor in _header(file).values():
            start, end = tensor["data_offsets"]
            stored[tensor["dtype"]] = stored.get(tensor["dtype"], 0) + end - start
    return torch.float16 if max(stored, key=lambda name: stored[name]) == "F16" else torch.float32


def _header(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(length))
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}
