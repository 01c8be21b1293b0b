"""Chooses a component's weights among the files of a checkpoint: full precision if there, else one of its variants.

Covered: diffusers' and transformers' names, whole or in shards with an index, of the variants in ORDER. Not covered:
pickles, which can run code; single files with all components, which have no diffusers layout.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from models.prepare.errors import PrepareError

ORDER: Final = ("", "fp32", "fp16", "bf16", "non_ema")
"""Variants, the preferred one first. The first is the checkpoint's main weights."""
NAME: Final = re.compile(
    r"(?P<base>model|diffusion_pytorch_model)(\.(?P<variant>\w+))?(-(?P<shard>\d+)-of-(?P<of>\d+))?(\.(?P<last>\w+))?"
    r"\.safetensors(?P<index>\.index(\.(?P<index_variant>\w+))?\.json)?"
)
"""Libraries have written the variant before or after the number of the shard, and before or after `index`."""


@dataclass(frozen=True)
class Weights:
    """The files of one variant. `index` names the file that maps tensors to shards; None if there are no shards."""

    base: str
    variant: str
    files: tuple[str, ...]
    index: str | None

    @property
    def label(self) -> str:
        """The variant's name for people and manifests."""
        return self.variant or "full"


def is_weights(name: str) -> bool:
    """Return whether a file of this name holds weights, or is the index of some."""
    return name.endswith(".safetensors") or NAME.fullmatch(name) is not None


def choose(component: str, names: Iterable[str]) -> Weights:
    """Return the preferred variant among the component's file `names`.

    Raises PrepareError if no variant is complete; the message says what was found and how to get safetensors.
    """
    found, incomplete = list(names), []
    for variant in ORDER:
        weights = _of_variant(variant, found)
        if weights is not None and weights.files:
            return weights
        incomplete += [variant] if weights is not None else []
    if incomplete:
        raise PrepareError(
            f"{component} lacks shards or the index of its weights (found: {', '.join(sorted(found))}): download the "
            "checkpoint again"
        )
    others = sorted(f"{component}/{name}" for name in found if not name.endswith((".json", ".txt")))
    raise PrepareError(
        f"the {component} has no weights as safetensors (found: {', '.join(others) or 'no weights'}). Pickles are "
        "never loaded because they can run code: use a revision with safetensors, or, where you trust the file, "
        "write them with diffusers: pipeline.save_pretrained(folder, safe_serialization=True)"
    )


def check(folder: Path, weights: Weights) -> None:
    """Raise PrepareError if a file of the weights is damaged, or an index names a file that is missing."""
    for name in weights.files:
        try:
            with safe_open(folder / name, "numpy"):
                pass  # opening checks the header against the file's length
        except SafetensorError as error:
            raise PrepareError(f"{folder.name}/{name} is damaged: {error}; download it again") from error
    if weights.index is not None:
        try:
            named = set(json.loads((folder / weights.index).read_text())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PrepareError(f"{folder.name}/{weights.index} is not an index of shards; download it again") from error
        if not named <= set(weights.files):
            missing = sorted(named - set(weights.files))
            raise PrepareError(f"{folder.name}/{weights.index} names {', '.join(missing)}, which is missing")


def link(source: Path, weights: Weights, folder: Path) -> None:
    """Link the weights into `folder` under the names of the main weights, which every library looks for."""
    if weights.index is None:
        (folder / f"{weights.base}.safetensors").symlink_to((source / weights.files[0]).resolve())
        return
    (folder / f"{weights.base}.safetensors.index.json").symlink_to((source / weights.index).resolve())
    for name in weights.files:
        (folder / name).symlink_to((source / name).resolve())


def _of_variant(variant: str, names: list[str]) -> Weights | None:
    """Return the variant's weights, without files if shards or the index are missing; None if there are none."""
    matches = [(name, match) for name, match in ((name, NAME.fullmatch(name)) for name in names) if match]
    own = [(name, match) for name, match in matches if _variant(match) == variant]
    if not own:
        return None
    base = own[0][1]["base"]
    for name, match in own:
        if match["shard"] is None and match["index"] is None:
            return Weights(base, variant, (name,), None)
    index = next((name for name, match in own if match["index"]), None)
    shards = {name: int(match["of"]) for name, match in own if match["shard"]}
    complete = index is not None and len(shards) in set(shards.values())
    return Weights(base, variant, tuple(sorted(shards)) if complete else (), index)


def _variant(match: re.Match[str]) -> str:
    return match["variant"] or match["last"] or match["index_variant"] or ""
