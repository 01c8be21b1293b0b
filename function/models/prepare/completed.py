"""A view of a checkpoint as the converters expect it: one variant of the weights, and complete configuration files.

It is a temporary folder of links. The checkpoint itself is never changed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.prepare import scheduler_config, weights
from models.prepare.configuration import Configuration
from models.prepare.errors import PrepareError
from models.prepare.pipeline_index import INDEX, SUFFIXES, components, read_index, read_json


@contextmanager
def completed(checkpoint: Path, found: Configuration, chosen: dict[str, weights.Weights]) -> Iterator[Path]:
    """Yield the view's folder. Raises PrepareError if the scheduler or a tokenizer is not supported."""
    index = read_index(checkpoint)
    files = _complete_files(checkpoint, index, found)
    index["scheduler"] = ["diffusers", files[scheduler_config.FILE]["_class_name"]]
    with tempfile.TemporaryDirectory() as temporary:
        view = Path(temporary)
        (view / INDEX).write_text(json.dumps(index))
        for name in components(index):
            _link_files(checkpoint / name, view / name)
            if name in chosen:
                weights.link(checkpoint / name, chosen[name], view / name)
        for file, settings in files.items():
            (view / file).unlink(missing_ok=True)
            (view / file).write_text(json.dumps(settings, indent=1, allow_nan=False) + "\n")
        yield view


def _link_files(source: Path, folder: Path) -> None:
    """Link everything but weights."""
    folder.mkdir()
    for file in (file for suffix in SUFFIXES for file in source.glob(f"*.{suffix}")):
        if not weights.is_weights(file.name):
            (folder / file.name).symlink_to(file.resolve())


def _complete_files(checkpoint: Path, index: dict[str, Any], found: Configuration) -> dict[str, dict[str, Any]]:
    """Return the complete content of each file that may lack settings."""
    files = {name: read_json(checkpoint, name) | settings for name, settings in found.filled_in().items()}
    files[scheduler_config.FILE] = scheduler_config.complete(checkpoint, found)
    for name in components(index):
        if name.startswith("tokenizer"):
            files[f"{name}/tokenizer_config.json"] = _tokenizer(checkpoint, name, found)
    return files


def _tokenizer(checkpoint: Path, name: str, found: Configuration) -> dict[str, Any]:
    """Return the tokenizer's configuration with the text encoders' window. Files often have 1e30 tokens, or none."""
    file = f"{name}/tokenizer_config.json"
    folder = checkpoint / name
    if not (folder / "tokenizer.json").is_file() and not all(
        (folder / part).is_file() for part in ("vocab.json", "merges.txt")
    ):
        raise PrepareError(f"{name} has neither tokenizer.json nor vocab.json and merges.txt; download it again")
    config = read_json(checkpoint, file) if (checkpoint / file).is_file() else {}
    length = config.get("model_max_length")
    if length != found.window:
        found.notes.append(
            f"{file}: model_max_length is {'missing' if length is None else length}, the text encoder reads "
            f"{found.window} tokens: {found.window} is used"
        )
    return config | {"model_max_length": found.window}
