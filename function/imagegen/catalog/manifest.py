"""A model folder's manifest: every file with its size and SHA-256, written by prepare and verified at load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from imagegen.errors import ModelUnavailable

NAME: Final = "manifest.json"
FORMAT: Final = 3
"""Version of the manifest and of a prepared folder's layout. A folder with any other version is rejected.

1: OpenVINO's own tokenizer (openvino_tokenizer.xml and .bin). 2: tokenizer.json for both engines.
3: OpenVINO's encoder of images (vae_encoder)."""
CHECKPOINT_FORMAT: Final = 1
"""Version of a checkpoint's manifest. diffusers defines the layout; the manifest's digest is the model's revision."""
LISTED: Final = {".json", ".txt", ".safetensors", ".xml", ".bin"}
"""Suffixes of the files that an engine reads."""
PICKLES: Final = {".bin", ".ckpt", ".msgpack", ".pickle", ".pkl", ".pt", ".pth"}
"""Suffixes of formats that can run code when loaded. A folder with such a file is rejected, even if unused."""
PLAIN_TENSORS: Final = {"openvino_model.bin"}
"""OpenVINO's weights: raw bytes, which cannot run code."""
LARGE_BYTES: Final = 64 * 1024**2
"""Files of at least this size hold only tensors and take seconds to hash."""


@dataclass(frozen=True)
class Flops:
    """Floating-point operations at the model's default size; a multiplication and an addition are two.

    `denoise_step` is one call of the denoiser for one image without guidance (twice that with guidance), `decode` one
    image, `text_encode` one prompt through every text encoder, `image_encode` one image to start from.
    """

    denoise_step: int
    decode: int
    text_encode: int
    image_encode: int


@dataclass(frozen=True)
class LatentColors:
    """The affine map from latents, as the denoiser knows them, to the mean color of their 8 x 8 pixels.

    Levels of red, green and blue, 0 to 255, are the sum of each channel times its row of `weights`, and `offset`.
    """

    weights: tuple[tuple[float, float, float], ...]
    """One row for each channel of the latents."""
    offset: tuple[float, float, float]


@dataclass(frozen=True)
class Trial:
    """What drew when the folder was prepared: the schedulers, those that cannot with the reason, and the peak memory
    in MB of a process that loads the model and draws one image of the default size, by compute precision."""

    schedulers: tuple[str, ...]
    refused: dict[str, str]
    peak_mb: dict[str, int]


def write(
    folder: Path,
    prepared_with: Mapping[str, str] | None = None,
    flops: Flops | None = None,
    trial: Trial | None = None,
    colors: LatentColors | None = None,
    *,
    version: int = FORMAT,
) -> None:
    """Write the manifest of a prepared folder, or of a checkpoint if `version` is CHECKPOINT_FORMAT.

    Raises ModelUnavailable if a file may be a pickle.
    """
    _reject_pickles(folder)
    files = sorted(path for path in folder.rglob("*") if path.suffix in LISTED and path.name != NAME)
    document = {
        "format": version,
        "prepared_with": dict(prepared_with or {}),
        **({"flops": asdict(flops)} if flops else {}),
        **({"trial": asdict(trial)} if trial else {}),
        **({"latent_colors": asdict(colors)} if colors else {}),
        "files": {
            str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": _digest(path)} for path in files
        },
    }
    (folder / NAME).write_text(json.dumps(document, indent=1) + "\n")


def verify(folder: Path, *, version: int = FORMAT) -> None:
    """Raise ModelUnavailable unless every listed file has its size and SHA-256; the private part names the file."""
    large = verify_small(folder, version=version)
    verify_large(folder, large)


def begin_verifying(folder: Path) -> Future[None]:
    """Verify small files now and large ones in a background thread (about 0.5 s per GB).

    Returns a future that completes when every file is verified. Both the call and the future raise ModelUnavailable.
    """
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="verify")
    verified = executor.submit(verify_large, folder, verify_small(folder))
    executor.shutdown(wait=False)
    return verified


def verify_small(folder: Path, *, version: int = FORMAT) -> dict[str, Any]:
    """Verify the manifest, the absence of pickles, all sizes, and the digests of small files; takes milliseconds.

    Returns the entries of the large files, for `verify_large`. Raises ModelUnavailable.
    """
    entries = _document(folder, version)["files"]
    _reject_pickles(folder)
    large = {}
    for name, expected in entries.items():
        file = folder / name
        if not file.is_file():
            raise ModelUnavailable.because(file, "is missing")
        if file.stat().st_size != expected["bytes"]:
            raise ModelUnavailable.because(file, f"does not have the {expected['bytes']} bytes that the manifest lists")
        if expected["bytes"] >= LARGE_BYTES:
            large[name] = expected
        else:
            _check_digest(file, expected)
    return large


def verify_large(folder: Path, entries: Mapping[str, Any]) -> None:
    """Verify the digests of the entries that `verify_small` returned. Raises ModelUnavailable."""
    for name, expected in entries.items():
        _check_digest(folder / name, expected)


def prepared_with(folder: Path) -> dict[str, str]:
    """Return what the folder was prepared with.

    Raises ModelUnavailable if the manifest is missing, unreadable or of another version.
    """
    return dict(_document(folder).get("prepared_with", {}))


def flops(folder: Path) -> Flops | None:
    """Return the operations that the networks need, or None if the manifest predates them.

    Raises ModelUnavailable if the manifest is missing or unreadable.
    """
    counted = _document(folder).get("flops")
    return Flops(**counted) if counted else None


def trial(folder: Path) -> Trial | None:
    """Return what drew when the folder was prepared, or None if the manifest predates that.

    Raises ModelUnavailable if the manifest is missing or unreadable.
    """
    drawn = _document(folder).get("trial")
    return Trial(tuple(drawn["schedulers"]), dict(drawn["refused"]), dict(drawn["peak_mb"])) if drawn else None


def latent_colors(folder: Path) -> LatentColors | None:
    """Return the colors of the model's latents, or None if the manifest predates them.

    Raises ModelUnavailable if the manifest is missing or unreadable.
    """
    found = _document(folder).get("latent_colors")
    return LatentColors(tuple(map(tuple, found["weights"])), tuple(found["offset"])) if found else None


def network_bytes(folder: Path) -> dict[str, int]:
    """Return the bytes of the weights in each folder of a network. Raises ModelUnavailable like `flops`."""
    found: dict[str, int] = {}
    for name, entry in _document(folder)["files"].items():
        if name.endswith((".bin", ".safetensors")):
            network = name.partition("/")[0]
            found[network] = found.get(network, 0) + entry["bytes"]
    return found


def digest(folder: Path) -> str:
    """Return 12 hex digits that identify the folder's content: the revision of a model shipped in the repository."""
    return _digest(folder / NAME)[:12]


def _document(folder: Path, version: int = FORMAT) -> dict[str, Any]:
    """Return the manifest if it has this version. Raises ModelUnavailable."""
    path = folder / NAME
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelUnavailable.because(path, "is missing") from None
    except json.JSONDecodeError:
        raise ModelUnavailable.because(path, "is not a manifest") from None
    if not _is_manifest(document):
        raise ModelUnavailable.because(path, "is not a manifest")
    if document["format"] != version:
        raise ModelUnavailable.because(path, _other_version(document["format"], version))
    return dict(document)


def _other_version(found: object, version: int) -> str:
    if isinstance(found, int) and found < version:
        writer, way_out = "an older version", ". Prepare the model again: `make model`, or the image's build"
    else:
        writer, way_out = "a newer version", ""
    return f"has format {found}, written by {writer}; this version reads format {version}{way_out}"


def _is_manifest(document: object) -> bool:
    """Of an unknown format, only `format` is checked."""
    if not isinstance(document, dict) or "format" not in document:
        return False
    files = document.get("files")
    return document["format"] not in (CHECKPOINT_FORMAT, FORMAT) or (
        isinstance(files, dict)
        and all(isinstance(each, dict) and each.keys() == {"bytes", "sha256"} for each in files.values())
        and ("flops" not in document or _is_flops(document["flops"]))
        and ("trial" not in document or _is_trial(document["trial"]))
        and ("latent_colors" not in document or _is_latent_colors(document["latent_colors"]))
    )


def _is_flops(counted: object) -> bool:
    return (
        isinstance(counted, dict)
        and counted.keys() == {each.name for each in fields(Flops)}
        and all(type(count) is int and count > 0 for count in counted.values())
    )


def _is_trial(drawn: object) -> bool:
    kinds = {"schedulers": list, "refused": dict, "peak_mb": dict}
    return (
        isinstance(drawn, dict)
        and drawn.keys() == kinds.keys()
        and all(isinstance(drawn[name], kind) for name, kind in kinds.items())
    )


def _is_latent_colors(found: object) -> bool:
    return (
        isinstance(found, dict)
        and found.keys() == {each.name for each in fields(LatentColors)}
        and isinstance(found["weights"], list)
        and all(map(_is_color, [*found["weights"], found["offset"]]))
    )


def _is_color(levels: object) -> bool:
    return isinstance(levels, list) and len(levels) == 3 and all(isinstance(each, float) for each in levels)


def _reject_pickles(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix in PICKLES and path.name not in PLAIN_TENSORS:
            raise ModelUnavailable.because(path, "may be a pickle, which can run code; use safetensors")


def _check_digest(file: Path, expected: Mapping[str, Any]) -> None:
    if _digest(file) != expected["sha256"]:
        raise ModelUnavailable.because(file, "does not have the SHA-256 that the manifest lists")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
