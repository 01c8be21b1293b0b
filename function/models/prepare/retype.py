"""A checkpoint as diffusers reads it fastest: the same layout, its weights in the type they compute in.

The engine then maps them from the file; a cast at load time would cost more than everything else at start.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

import torch

from imagegen.registry import Family, Model
from models.prepare import networks
from models.prepare.pipeline_index import INDEX, NOT_LOADED, SUFFIXES, WITH_WEIGHTS, parts, read

PIPELINES: Final[dict[Family, str]] = {
    "stable-diffusion": "StableDiffusionPipeline",
    "latent-consistency": "StableDiffusionPipeline",
    "stable-diffusion-xl": "StableDiffusionXLPipeline",
}
"""The plain pipeline reads a latent consistency model, too, with any of its schedulers."""


def retype(model: Model, checkpoint: Path, decoder: Path | None, folder: Path, dtype: str) -> None:
    """Write the checkpoint with weights of `dtype`, the small decoder in the place of its own where there is one."""
    index = read(checkpoint)
    for part in parts(index):
        if part == "vae":
            source = decoder or checkpoint / part
            index[part] = ["diffusers", networks.autoencoder(source)]
        else:
            source = checkpoint / part
        if part in WITH_WEIGHTS:
            _retype(index[part][1], source, folder / part, dtype)
        else:
            _copy(source, folder / part)
    left_out = {name: [None, None] for name in NOT_LOADED if name in index}
    described = index | left_out | {"_class_name": PIPELINES[model.family]}
    (folder / INDEX).write_text(json.dumps(described, indent=1) + "\n")


def _retype(name: str, source: Path, folder: Path, dtype: str) -> None:
    print(f"  {folder.name}", flush=True)
    networks.load(name, source, getattr(torch, dtype)).save_pretrained(folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)  # where it was loaded from: another one on every machine
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in (file for suffix in SUFFIXES for file in source.glob(f"*.{suffix}")):
        shutil.copyfile(file, folder / file.name)
