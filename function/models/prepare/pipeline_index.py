"""Reads a diffusers checkpoint's model_index.json and checks that the checkpoint can be prepared.

Not supported: other pipelines and components, weights that exist only as pickles or only as a variant, and components
that run the checkpoint's own code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from imagegen.catalog.registry import Family
from models.prepare.errors import PrepareError

INDEX: Final = "model_index.json"
SUFFIXES: Final = ("safetensors", "json", "txt")
VARIANTS: Final = ("*.fp16.*", "*.fp16-*", "*.bf16.*", "*.bf16-*", "*.non_ema.*", "*.non_ema-*")
"""File names of diffusers' variants, which are neither downloaded nor loaded."""
IGNORED_COMPONENTS: Final = ("safety_checker", "feature_extractor", "image_encoder")
"""The engines load no safety checker: the service moderates prompts and images."""
COMPONENTS: Final[dict[str, tuple[str, ...]]] = {
    "text_encoder": ("CLIPTextModel",),
    "text_encoder_2": ("CLIPTextModelWithProjection",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "tokenizer_2": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
}
"""The supported classes of each component. The scheduler is not listed: it can be any scheduler of diffusers."""
WITH_WEIGHTS: Final = ("text_encoder", "text_encoder_2", "unet", "vae")
FAMILIES: Final[dict[str, Family]] = {
    "StableDiffusionPipeline": "stable-diffusion",
    "LatentConsistencyModelPipeline": "latent-consistency",
    "StableDiffusionXLPipeline": "stable-diffusion-xl",
}


def read_index(folder: Path) -> dict[str, Any]:
    """Return the content of model_index.json. Raises PrepareError if it is missing or is not a JSON object."""
    file = folder / INDEX
    if not file.is_file():
        raise PrepareError(f"{folder} has no {INDEX}: only checkpoints in diffusers layout are supported")
    try:
        index = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise PrepareError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(index, dict):
        raise PrepareError(f"{file} is not a JSON object")
    return index


def components(index: dict[str, Any]) -> list[str]:
    """Return the names of the components that the pipeline loads, which are also the names of their folders.

    The index maps each component to [library, class]; [null, null] means that the pipeline runs without it.
    Raises PrepareError if a required component is missing, has an unsupported class, or runs the checkpoint's own code.
    """
    entries = {
        name: value for name, value in index.items() if isinstance(value, list) and name not in IGNORED_COMPONENTS
    }
    present = {name: value for name, value in entries.items() if value != [None, None]}
    for name, value in present.items():
        if len(value) != 2 or value[0] not in ("diffusers", "transformers"):
            raise PrepareError(f"{INDEX} loads {name} with the checkpoint's own code ({value}), which is never run")
        if name != "scheduler" and value[1] not in COMPONENTS.get(name, ()):
            raise PrepareError(_unsupported(name, value[1]))
    missing = {"scheduler", "text_encoder", "tokenizer", "unet", "vae"} - present.keys()
    if missing:
        raise PrepareError(f"{INDEX} lacks {', '.join(sorted(missing))}; it has {', '.join(present)}")
    return list(present)


def _unsupported(name: str, class_name: object) -> str:
    if name in COMPONENTS:
        return f"the {name} is a {class_name}; it must be a {' or '.join(COMPONENTS[name])}"
    return f"the component {name} ({class_name}) is not supported; supported: {', '.join(COMPONENTS)}, scheduler"


def detect_family(index: dict[str, Any], unet_config: dict[str, Any]) -> Family:
    """Return the model's family. Raises PrepareError if no engine supports the pipeline."""
    name = index.get("_class_name")
    if not isinstance(name, str) or name not in FAMILIES:
        raise PrepareError(f"the pipeline {name} is not supported; supported: {', '.join(FAMILIES)}")
    # Some latent consistency models declare the plain pipeline. Only their unet takes the guidance scale as an input.
    if name == "StableDiffusionPipeline" and unet_config.get("time_cond_proj_dim") is not None:
        return "latent-consistency"
    return FAMILIES[name]


def check_weights(folder: Path, files: Iterable[str]) -> None:
    """Raise PrepareError unless every component with weights has readable safetensors at full precision.

    `files` are the paths of all files in the source, relative to it, including those that were not downloaded: the
    error names them.
    """
    for name in components(read_index(folder)):
        if name in WITH_WEIGHTS:
            _check_component(folder, name, files)


def _check_component(folder: Path, name: str, files: Iterable[str]) -> None:
    weights = [file for file in (folder / name).glob("*.safetensors") if not _is_variant(file)]
    if not weights:
        others = sorted(file for file in files if file.startswith(f"{name}/") and not file.endswith(".json"))
        raise PrepareError(
            f"the {name} has no safetensors at full precision (found: {', '.join(others) or 'no other weights'}); "
            "pickles are never loaded because they can run code"
        )
    for file in weights:
        try:
            with safe_open(file, "numpy"):
                pass  # opening checks the header against the file's length
        except SafetensorError as error:
            raise PrepareError(f"{name}/{file.name} is damaged: {error}") from error


def _is_variant(file: Path) -> bool:
    return any(fnmatch(file.name, pattern) for pattern in VARIANTS)
