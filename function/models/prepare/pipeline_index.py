"""What a checkpoint in diffusers layout says of itself, and whether it can be prepared.

Refused: other families and parts, weights that are only there as pickles or in another precision's files, code of the
checkpoint's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from imagegen.registry import Family

INDEX: Final = "model_index.json"
SUFFIXES: Final = ("safetensors", "json", "txt")
OTHER_PRECISIONS: Final = ("*.fp16.*", "*.fp16-*", "*.bf16.*", "*.bf16-*", "*.non_ema.*", "*.non_ema-*")
NOT_LOADED: Final = ("safety_checker", "feature_extractor", "image_encoder")
"""The engines load no safety checker: prompts and images are judged by the service."""
PARTS: Final[dict[str, tuple[str, ...]]] = {
    "text_encoder": ("CLIPTextModel",),
    "text_encoder_2": ("CLIPTextModelWithProjection",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "tokenizer_2": ("CLIPTokenizer", "CLIPTokenizerFast"),
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
}
"""And the classes that each may be made of; beside them there is a scheduler, of any class of diffusers."""
WITH_WEIGHTS: Final = ("text_encoder", "text_encoder_2", "unet", "vae")
FAMILIES: Final[dict[str, Family]] = {
    "StableDiffusionPipeline": "stable-diffusion",
    "LatentConsistencyModelPipeline": "latent-consistency",
    "StableDiffusionXLPipeline": "stable-diffusion-xl",
}


class Refused(Exception):
    """The checkpoint cannot be prepared; the text tells the caller why and, where there is one, the way out."""


def read(folder: Path) -> dict[str, Any]:
    """The pipeline's index. Raises Refused where there is none."""
    file = folder / INDEX
    if not file.is_file():
        raise Refused(f"{folder} has no {INDEX}: it is not in diffusers layout")
    try:
        index = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise Refused(f"{file} is not JSON: {error}") from error
    if not isinstance(index, dict):
        raise Refused(f"{file} is no index of a pipeline")
    return index


def parts(index: dict[str, Any]) -> list[str]:
    """The folders that a pipeline reads. An index maps each to [library, class], both null for one that is left out.

    Raises Refused where one is made by code of the checkpoint's own, or is something that no engine knows.
    """
    named = {name: value for name, value in index.items() if isinstance(value, list) and name not in NOT_LOADED}
    present = {name: value for name, value in named.items() if value != [None, None]}
    for name, value in present.items():
        if len(value) != 2 or value[0] not in ("diffusers", "transformers"):
            raise Refused(f"{INDEX} makes {name} with code of the checkpoint's own ({value}), which is never run")
        if name != "scheduler" and value[1] not in PARTS.get(name, ()):
            raise Refused(f"its {name} is a {value[1]}, which is not known; known are {', '.join(PARTS)}, scheduler")
    if "scheduler" not in present or not {"text_encoder", "tokenizer", "unet", "vae"} <= present.keys():
        raise Refused(
            f"{INDEX} names {', '.join(present)}: a text encoder, tokenizer, unet, vae or scheduler is missing"
        )
    return list(present)


def family(index: dict[str, Any], unet: dict[str, Any]) -> Family:
    """Raises Refused for a pipeline that no engine draws with."""
    name = index.get("_class_name")
    if not isinstance(name, str) or name not in FAMILIES:
        raise Refused(f"it is a {name}; what can be prepared is {', '.join(FAMILIES)}")
    # Some latent consistency models call themselves plain: the input for the guidance scale tells them apart.
    if name == "StableDiffusionPipeline" and unet.get("time_cond_proj_dim") is not None:
        return "latent-consistency"
    return FAMILIES[name]


def check(folder: Path, files: Iterable[str]) -> None:
    """Raise Refused unless each part with weights has them as whole safetensors. `files`: all that the source holds."""
    for part in parts(read(folder)):
        if part in WITH_WEIGHTS:
            _check_weights(folder, part, files)


def _check_weights(folder: Path, part: str, files: Iterable[str]) -> None:
    weights = [file for file in (folder / part).glob("*.safetensors") if not _is_other_precision(file)]
    if not weights:
        others = sorted(file for file in files if file.startswith(f"{part}/") and not file.endswith(".json"))
        found = f"there is {', '.join(others)}" if others else "there is nothing else either"
        raise Refused(
            f"its {part} has no full weights as safetensors ({found}); pickles, which can run code, are never read"
        )
    for file in weights:
        try:
            with safe_open(file, "numpy"):
                pass  # its header, against its length
        except SafetensorError as error:
            raise Refused(f"its {part}/{file.name} is damaged: {error}") from error


def _is_other_precision(file: Path) -> bool:
    return any(fnmatch(file.name, pattern) for pattern in OTHER_PRECISIONS)
