"""Reads a diffusers checkpoint's model_index.json and checks that the checkpoint can be prepared.

Not supported: other pipelines and components, weights that exist only as pickles, and components that run the
checkpoint's own code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Final

from imagegen.catalog.registry import Family
from models.prepare import weights
from models.prepare.errors import PrepareError

INDEX: Final = "model_index.json"
CONFIGURATIONS: Final = ("config.json", "scheduler_config.json", "tokenizer_config.json")
SUFFIXES: Final = ("safetensors", "json", "txt")
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
    if not (folder / INDEX).is_file():
        raise PrepareError(
            f"{folder} has no {INDEX}: only checkpoints in diffusers layout are supported. Convert a single file with "
            "diffusers: StableDiffusionPipeline.from_single_file(file).save_pretrained(folder)"
        )
    return read_json(folder, INDEX)


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in the checkpoint's file `name`. Raises PrepareError if there is none."""
    try:
        document = json.loads((folder / name).read_text())
    except FileNotFoundError:
        raise PrepareError(f"{name} is missing in {folder}; download the checkpoint again") from None
    except ValueError as error:  # neither JSON nor UTF-8
        raise PrepareError(f"{name} is not valid JSON ({error}); download the checkpoint again") from error
    if not isinstance(document, dict):
        raise PrepareError(f"{name} is not a JSON object; download the checkpoint again")
    return document


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
    second = {"text_encoder_2", "tokenizer_2"} if index.get("_class_name") == "StableDiffusionXLPipeline" else set()
    missing = {"scheduler", "text_encoder", "tokenizer", "unet", "vae"} | second
    missing -= present.keys()
    if missing:
        raise PrepareError(f"{INDEX} lacks {', '.join(sorted(missing))}; it has {', '.join(present)}")
    return list(present)


def _unsupported(name: str, class_name: object) -> str:
    if name in COMPONENTS:
        return f"the {name} is a {class_name}; it must be a {' or '.join(COMPONENTS[name])}"
    return f"the component {name} ({class_name}) is not supported; supported: {', '.join(COMPONENTS)}, scheduler"


def detect_family(index: dict[str, Any], time_cond_proj_dim: int | None) -> Family:
    """Return the model's family. Raises PrepareError if no engine supports the pipeline.

    `time_cond_proj_dim` is the unet's width of the guidance scale as an input, None if it takes none.
    """
    name = index.get("_class_name")
    if not isinstance(name, str) or name not in FAMILIES:
        raise PrepareError(f"the pipeline {name} is not supported; supported: {', '.join(FAMILIES)}")
    # Some latent consistency models declare the plain pipeline. Only their unet takes the guidance scale as an input.
    if name == "StableDiffusionPipeline" and time_cond_proj_dim is not None:
        return "latent-consistency"
    return FAMILIES[name]


def weights_of(folder: Path, files: Iterable[str]) -> dict[str, weights.Weights]:
    """Return the chosen weights of each component that has any, by its name.

    `files` are the paths of all files in the source, relative to it, including those that were not downloaded.
    Raises PrepareError if a component has no usable weights.
    """
    names = [name for name in components(read_index(folder)) if name in WITH_WEIGHTS]
    paths = [PurePosixPath(file) for file in files]
    return {name: weights.choose(name, [path.name for path in paths if str(path.parent) == name]) for name in names}
