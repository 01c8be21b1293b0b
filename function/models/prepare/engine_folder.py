"""Builds one folder per engine from a checkpoint, in the format that the engine loads fastest.

A folder is complete and has a manifest, which also records what the folder was built from.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from imagegen.catalog import manifest
from imagegen.catalog.registry import Model
from imagegen.errors import ModelUnavailable
from models.prepare.errors import PrepareError
from models.prepare.source import Source, fetch_checkpoint, fetch_decoder

HERE: Final = Path(__file__).resolve().parent
ENGINES: Final = ("openvino", "torch")
PACKAGES: Final = {
    "openvino": ("openvino", "openvino-tokenizers", "nncf", "torch", "diffusers", "transformers"),
    "torch": ("torch", "diffusers", "transformers"),
}
"""Packages whose version affects the engine's files."""
RECIPES: Final = {
    "openvino": ("networks.py", "flops.py", "convert.py", "openvino_modules.py", "openvino_export.py"),
    "torch": ("networks.py", "flops.py", "cast_weights.py"),
}
"""Modules of this package whose source affects the engine's files. Changing one makes existing folders outdated."""

Converter = Callable[[Model, Path, Path | None, Path], None]
"""(model, checkpoint, tiny decoder or None, empty output folder)"""


def prepare(source: Source, models_dir: Path, engines: list[str], torch_dtype: str) -> None:
    """Build `models_dir`/<model id>/<engine> for each engine, unless it is up to date.

    `torch_dtype` is the dtype of the torch engine's weights. Raises PrepareError; a folder is never left half-written.
    """
    models_dir.mkdir(parents=True, exist_ok=True)
    inputs = {engine: _build_inputs(source.model, engine, torch_dtype) for engine in engines}
    with _exclusive_lock(models_dir):
        for engine, build_inputs in inputs.items():
            folder = models_dir / source.model.id / engine
            if _is_up_to_date(folder, build_inputs):
                print(f"{folder} is up to date")
            else:
                _build(source, folder, build_inputs, _import_converter(engine, torch_dtype))
                print(f"{folder} is ready")


@contextlib.contextmanager
def _exclusive_lock(folder: Path) -> Iterator[None]:
    """A concurrent run waits here, then finds the folders of the first run up to date."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build_inputs(model: Model, engine: str, torch_dtype: str) -> dict[str, str]:
    """Everything that affects the engine's files. Equal inputs give equal files."""
    weights = torch_dtype if engine == "torch" else model.weights
    return {
        "source": model.source,
        "revision": model.revision,
        "decoder": f"{model.decoder.source}@{model.decoder.revision}" if model.decoder else "its own",
        "weights": weights,
        "size": f"{model.defaults.width}x{model.defaults.height}",
        "recipe": _recipe_hash(engine),
        **{name: _version(name) for name in PACKAGES[engine] if name != "nncf" or model.weights == "int8"},
    }


def _recipe_hash(engine: str) -> str:
    """The first 12 hex digits of the SHA-256 of the recipe's modules."""
    return hashlib.sha256(b"".join((HERE / name).read_bytes() for name in RECIPES[engine])).hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise PrepareError(
            f"the package {package} is not installed; install function/requirements-prepare.txt"
        ) from None


def _is_up_to_date(folder: Path, build_inputs: dict[str, str]) -> bool:
    try:
        manifest.verify(folder)
        return manifest.prepared_with(folder) == build_inputs
    except ModelUnavailable:
        return False


def _import_converter(engine: str, torch_dtype: str) -> Converter:
    """Called only when a folder must be built: importing the libraries takes seconds."""
    if engine == "openvino":
        # OpenVINO and NNCF report every import and conversion to Intel through this package, and work without it.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        from models.prepare.convert import convert

        return convert
    from models.prepare.cast_weights import cast_weights

    return lambda model, checkpoint, decoder, folder: cast_weights(model, checkpoint, decoder, folder, torch_dtype)


def _build(source: Source, folder: Path, build_inputs: dict[str, str], converter: Converter) -> None:
    """Build in a temporary folder next to `folder`, then rename it, so that `folder` is complete or absent."""
    checkpoint = fetch_checkpoint(source)
    decoder = fetch_decoder(source.model.decoder) if source.model.decoder else None
    folder.parent.mkdir(exist_ok=True)
    for abandoned in folder.parent.glob(f".{folder.name}-*"):  # left by a killed run
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        built = Path(temporary) / "built"
        built.mkdir()
        print(f"Converting {source.model.id} for {folder.name}:", flush=True)
        converter(source.model, checkpoint, decoder, built)
        manifest.write(built, build_inputs, _count_flops(source.model, checkpoint, decoder))
        _make_world_readable(built)
        if folder.exists():
            folder.rename(Path(temporary) / "outdated")
        built.rename(folder)


def _count_flops(model: Model, checkpoint: Path, decoder: Path | None) -> manifest.Flops:
    from models.prepare.flops import count  # imports torch, as the converters do

    return count(model, checkpoint, decoder)


def _make_world_readable(folder: Path) -> None:
    """safetensors creates files with mode 0600, but Lambda runs the image as a different user."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
