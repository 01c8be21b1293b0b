"""Converts a checkpoint for the torch engine: diffusers layout, weights in the dtype that the engine computes in.

The engine memory-maps such weights. Casting them at load time would take longer than the rest of the start.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

import torch

from imagegen.catalog.registry import Family, Model
from models.prepare import networks
from models.prepare.pipeline_index import (
    IGNORED_COMPONENTS,
    INDEX,
    SUFFIXES,
    WITH_WEIGHTS,
    components,
    read_index,
)

PIPELINES: Final[dict[Family, str]] = {
    "stable-diffusion": "StableDiffusionPipeline",
    "latent-consistency": "StableDiffusionPipeline",
    "stable-diffusion-xl": "StableDiffusionXLPipeline",
}
"""StableDiffusionPipeline also runs latent consistency models, and accepts any of their schedulers."""


def cast_weights(model: Model, checkpoint: Path, decoder: Path | None, folder: Path, dtype: str) -> None:
    """Write the checkpoint to `folder` with weights of `dtype`. `decoder` replaces its vae.

    Raises PrepareError if weights do not match their network.
    """
    index = read_index(checkpoint)
    for name in components(index):
        if name == "vae":
            source = decoder or checkpoint / name
            index[name] = ["diffusers", networks.autoencoder_class(source)]
        else:
            source = checkpoint / name
        if name in WITH_WEIGHTS:
            _cast(index[name][1], source, folder / name, dtype)
        else:
            _copy(source, folder / name)
    ignored = {name: [None, None] for name in IGNORED_COMPONENTS if name in index}
    index |= ignored | {"_class_name": PIPELINES[model.family]}
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n")


def _cast(class_name: str, source: Path, folder: Path, dtype: str) -> None:
    print(f"  {folder.name}", flush=True)
    networks.load(class_name, source, getattr(torch, dtype)).save_pretrained(folder, safe_serialization=True)
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)  # the path it was loaded from, different on every machine
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for file in (file for suffix in SUFFIXES for file in source.glob(f"*.{suffix}")):
        shutil.copyfile(file, folder / file.name)
