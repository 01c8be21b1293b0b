"""Puts a registry model's files where the functions read them: `python models/fetch.py sd-turbo /opt/models`.

The weights stage of the Dockerfile runs this. A model that ships with the repository is copied; one from the hub is
downloaded at the revision the registry pins. Covered: diffusers pipelines with safetensors weights, in their stored
full precision. Not covered: pickled weights, a pipeline's own Python code, gated repositories.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download

from imagegen import manifest
from imagegen.registry import REGISTRY, Model

INDEX = "model_index.json"
SHIPPED = Path(__file__).resolve().parent
SUFFIXES = ("safetensors", "json", "txt")
NOT_LOADED = ("safety_checker", "feature_extractor")
"""The engine loads no safety checker: prompts and images are judged by the service."""
OTHER_PRECISIONS = ("*.fp16.*", "*.fp16-*", "*.bf16.*", "*.bf16-*", "*.non_ema.*", "*.non_ema-*")


def fetch(model: Model, models_dir: Path) -> Path:
    """The model's folder, complete and with its manifest."""
    folder = models_dir / model.id
    if model.source == "folder":
        manifest.verify(SHIPPED / model.id)
        if folder != SHIPPED / model.id:
            shutil.copytree(SHIPPED / model.id, folder)
    else:
        _download(model.source.removeprefix("hub:"), model.revision, folder)
        manifest.write(folder)
    _readable_by_everyone(folder)
    return folder


def _download(repository: str, revision: str, folder: Path) -> None:
    """Only what the pipeline's index names: repositories also hold other formats and precisions, twice the size."""
    index = Path(hf_hub_download(repository, INDEX, revision=revision, local_dir=folder))
    components = [name for name, value in json.loads(index.read_text()).items() if _is_component(name, value)]
    snapshot_download(
        repository,
        revision=revision,
        local_dir=folder,
        allow_patterns=[INDEX, *(f"{name}/*.{suffix}" for name in components for suffix in SUFFIXES)],
        ignore_patterns=list(OTHER_PRECISIONS),
    )
    shutil.rmtree(folder / ".cache")  # huggingface_hub's own record of the download


def _is_component(name: str, value: object) -> bool:
    """An index maps each component to [library, class], both null for one that is left out."""
    return isinstance(value, list) and None not in value and name not in NOT_LOADED


def _readable_by_everyone(folder: Path) -> None:
    """safetensors writes files only their owner can read, and Lambda runs as a user of its own."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=REGISTRY, help="a registry id")
    parser.add_argument("models_dir", type=Path, help="gets one folder, named after the id")
    arguments = parser.parse_args()
    print(fetch(REGISTRY[arguments.model], arguments.models_dir.resolve()))
