"""The list of a model folder's files with their SHA-256, written when the folder is made and checked when it loads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from imagegen.errors import ModelUnavailable

NAME: Final = "manifest.json"
FORMAT: Final = 1
"""Of the manifest and of the folder it describes. A newer tool writes a higher one, which this one refuses."""
LISTED: Final = {".json", ".txt", ".safetensors", ".xml", ".bin"}
"""Suffixes of what an engine reads."""
PICKLES: Final = {".bin", ".ckpt", ".msgpack", ".pickle", ".pkl", ".pt", ".pth"}
"""Suffixes of formats that run code when they are read; a folder that holds one is refused even if nothing reads it."""
PLAIN_TENSORS: Final = {"openvino_model.bin", "openvino_tokenizer.bin"}
"""OpenVINO's weights: bytes without any structure of their own."""
LARGE_BYTES: Final = 64 * 1024**2
"""Files from this size on hold nothing but tensors, and take seconds to read."""


def write(folder: Path, prepared_with: Mapping[str, str] | None = None) -> None:
    """List the folder's files, with the versions of the tools that made them. Raises ModelUnavailable for a pickle."""
    _refuse_pickles(folder)
    files = sorted(path for path in folder.rglob("*") if path.suffix in LISTED and path.name != NAME)
    document = {
        "format": FORMAT,
        "prepared_with": dict(prepared_with or {}),
        "files": {
            str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": _digest(path)} for path in files
        },
    }
    (folder / NAME).write_text(json.dumps(document, indent=1) + "\n")


def verify(folder: Path) -> None:
    """Raise ModelUnavailable, naming the file in its private part, unless every listed file is as it was."""
    large = verify_small(folder)
    verify_large(folder, large)


def begin_verifying(folder: Path) -> Future[None]:
    """Check at once what takes milliseconds, and the large files in a thread of their own, which needs half a second
    for each GB. Raises ModelUnavailable, and so may the future."""
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="verify")
    verified = executor.submit(verify_large, folder, verify_small(folder))
    executor.shutdown(wait=False)
    return verified


def verify_small(folder: Path) -> dict[str, Any]:
    """Check all that can be checked in milliseconds: the manifest, that no pickle lies beside it, every file's size,
    and the digest of all but the large files. Returns those files' entries, for `verify_large`."""
    entries = _entries(folder)
    _refuse_pickles(folder)
    large = {}
    for name, expected in entries.items():
        file = folder / name
        if not file.is_file():
            raise ModelUnavailable.because(file, "is missing")
        if file.stat().st_size != expected["bytes"]:
            raise ModelUnavailable.because(file, f"has not the {expected['bytes']} bytes of the manifest")
        if expected["bytes"] >= LARGE_BYTES:
            large[name] = expected
        else:
            _check_digest(file, expected)
    return large


def verify_large(folder: Path, entries: Mapping[str, Any]) -> None:
    """Check the digests of the files that `verify_small` left."""
    for name, expected in entries.items():
        _check_digest(folder / name, expected)


def prepared_with(folder: Path) -> dict[str, str]:
    """Names and versions of the tools that made the folder. Raises ModelUnavailable without a legible manifest."""
    return dict(_document(folder).get("prepared_with", {}))


def digest(folder: Path) -> str:
    """Twelve hex digits that name the folder's content: the revision of a model that ships with the repository."""
    return _digest(folder / NAME)[:12]


def _entries(folder: Path) -> dict[str, Any]:
    document = _document(folder)
    if document["format"] != FORMAT:
        reason = f"has the format {document['format']}, written by a newer version; this one reads {FORMAT}"
        raise ModelUnavailable.because(folder / NAME, reason)
    return dict(document["files"])


def _document(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelUnavailable.because(path, "is missing") from None
    except json.JSONDecodeError:
        raise ModelUnavailable.because(path, "is not a manifest") from None
    if not _is_manifest(document):
        raise ModelUnavailable.because(path, "is not a manifest")
    return dict(document)


def _is_manifest(document: object) -> bool:
    """Of a later format no more is asked than that it says so."""
    if not isinstance(document, dict) or "format" not in document:
        return False
    files = document.get("files")
    return document["format"] != FORMAT or (
        isinstance(files, dict)
        and all(isinstance(each, dict) and each.keys() == {"bytes", "sha256"} for each in files.values())
    )


def _refuse_pickles(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix in PICKLES and path.name not in PLAIN_TENSORS:
            raise ModelUnavailable.because(path, "may be a pickle, which can run code; only safetensors are read")


def _check_digest(file: Path, expected: Mapping[str, Any]) -> None:
    if _digest(file) != expected["sha256"]:
        raise ModelUnavailable.because(file, "has not the SHA-256 of the manifest")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
