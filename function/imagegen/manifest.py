"""The list of a model folder's files with their SHA-256, written when the folder is made and checked when it loads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from imagegen.errors import ModelUnavailable

NAME = "manifest.json"
LISTED = {".json", ".txt", ".safetensors"}
"""Suffixes of what a pipeline reads."""


def write(folder: Path) -> None:
    """List the pipeline's files in the folder's manifest."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in LISTED and path.name != NAME)
    entries = {str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": _digest(path)} for path in files}
    (folder / NAME).write_text(json.dumps({"files": entries}, indent=1) + "\n")


def verify(folder: Path) -> None:
    """Raise ModelUnavailable, naming the file in its private part, unless every listed file is as it was."""
    path = folder / NAME
    try:
        entries = json.loads(path.read_text())["files"]
    except FileNotFoundError:
        raise ModelUnavailable.because(path, "is missing") from None
    except (json.JSONDecodeError, KeyError, TypeError):
        raise ModelUnavailable.because(path, "is not a manifest") from None
    for name, expected in entries.items():
        file = folder / name
        if not file.is_file():
            raise ModelUnavailable.because(file, "is missing")
        if file.stat().st_size != expected["bytes"]:
            raise ModelUnavailable.because(file, f"has not the {expected['bytes']} bytes of the manifest")
        if _digest(file) != expected["sha256"]:
            raise ModelUnavailable.because(file, "has not the SHA-256 of the manifest")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(folder: Path) -> str:
    """Twelve hex digits that name the folder's content: the revision of a model that ships with the repository."""
    return _digest(folder / NAME)[:12]
