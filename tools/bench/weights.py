"""Create the random models, and prepare them and the demo model as `make model` would. Takes 5 GB of disk.

Existing models are kept. Runs as a separate process, `python -m tools.bench.weights`, because it needs 5 GB of memory.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from imagegen.catalog.registry import Model
from models.prepare.engine_folder import prepare
from models.prepare.source import Source, folder_revision
from tools.bench import architecture, models, vocabulary

_INDEX = "model_index.json"


def make(full: Path, tiny: Path) -> None:
    """Write both models in diffusers layout; they share (hard-link) all files except the decoder's."""
    for folder in (full, tiny):
        shutil.rmtree(folder, ignore_errors=True)
    vocabulary.write(full / "tokenizer")
    architecture.scheduler().save_pretrained(full / "scheduler")
    _save(architecture.text_encoder, full / "text_encoder")
    _save(architecture.unet, full / "unet")
    shutil.copytree(full, tiny, copy_function=os.link)
    _save(architecture.autoencoder, full / "vae")
    _save(architecture.tiny_autoencoder, tiny / "vae")
    for folder, decoder in ((full, "AutoencoderKL"), (tiny, "AutoencoderTiny")):
        (folder / _INDEX).write_text(json.dumps(_index(decoder), indent=1))  # last: marks the folder as complete


def _save(build: Any, folder: Path) -> None:
    with torch.device("meta"):
        network = build()
    architecture.filled(network).save_pretrained(folder)  # type: ignore[operator]


def _index(decoder: str) -> dict[str, Any]:
    return {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", decoder],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
    }


def prepare_all() -> None:
    """Create and prepare the models that are missing."""
    folders = {model: models.source(model) for model in (*models.RANDOM, models.DEMO)}
    if not all((folder / _INDEX).is_file() for folder in folders.values()):
        make(folders[models.FULL], folders[models.TINY])
    for model, folder in folders.items():
        prepare(_source(model, folder), models.PREPARED, ["openvino"], "float32")


def _source(model: Model, folder: Path) -> Source:
    return Source(replace(model, revision=folder_revision(folder)), folder, in_registry=True)


if __name__ == "__main__":
    prepare_all()
