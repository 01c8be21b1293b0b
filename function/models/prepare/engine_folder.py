"""Builds one folder per engine from a checkpoint, in the format that the engine loads fastest.

A folder is complete and has a manifest, which also records what the folder was built from.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from imagegen.catalog import manifest
from imagegen.catalog.registry import Model
from imagegen.errors import ModelUnavailable
from models.prepare import auxiliary, configuration, trial
from models.prepare.errors import PrepareError
from models.prepare.pipeline_index import weights_of
from models.prepare.source import Source, fetch_checkpoint, fetch_decoder, files_of
from models.prepare.whole_folder import replacing

HERE: Final = Path(__file__).resolve().parent
ENGINES: Final = ("openvino", "torch")
PACKAGES: Final = {
    "openvino": ("openvino", "nncf", "torch", "diffusers", "transformers"),
    "torch": ("torch", "diffusers", "transformers"),
}
"""Packages whose version affects the engine's files."""
_SHARED: Final = (
    *("networks.py", "flops.py", "latent_colors.py"),
    *("configuration.py", "scheduler_config.py", "weights.py", "completed.py"),
)
RECIPES: Final = {
    "openvino": (*_SHARED, "convert.py", "tokenizer.py", "openvino_modules.py", "openvino_export.py"),
    "torch": (*_SHARED, "cast_weights.py"),
}
"""Modules of this package whose source affects the engine's files. Changing one makes existing folders outdated."""

Converter = Callable[[Model, Path, Path | None, Path], None]
"""(model, checkpoint, tiny decoder or None, empty output folder)"""


def prepare(source: Source, models_dir: Path, engines: list[str], torch_dtype: str) -> dict[str, manifest.Trial]:
    """Build `models_dir`/<model id>/<engine> for each engine, unless it is up to date, and return what drew, by engine.

    With OpenVINO, the auxiliary networks are prepared, too. `torch_dtype` is the dtype of the torch engine's weights.
    Raises PrepareError; a folder is never left half-written.
    """
    trials = {}
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
            if (drawn := manifest.trial(folder)) is not None:
                trials[engine] = drawn
        if "openvino" in engines:
            auxiliary.prepare(models_dir)
    return trials


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
        "schedulers": ",".join(model.schedulers),
        "max_steps": str(model.limits.max_steps),
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
        return build_inputs.items() <= manifest.prepared_with(folder).items()
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
    """Build next to `folder`, so that `folder` is complete or absent."""
    checkpoint = fetch_checkpoint(source)
    with replacing(folder) as built:
        print(f"Converting {source.model.id} for {folder.name}:", flush=True)
        flops, colors, variants = _convert(source.model, checkpoint, built, converter)
        manifest.write(built, build_inputs | variants, flops)
        manifest.write(built, build_inputs | variants, flops, _draw(source, built, folder.name), colors)


def _convert(
    model: Model, checkpoint: Path, folder: Path, converter: Converter
) -> tuple[manifest.Flops, manifest.LatentColors, dict[str, str]]:
    """Fill the empty `folder`. Returns operations, colors of the latents and, if variants had to be used, which."""
    from models.prepare.completed import completed  # imports torch, as the converters do
    from models.prepare.flops import count
    from models.prepare.latent_colors import fit

    decoder = fetch_decoder(model.decoder) if model.decoder else None
    chosen, found = weights_of(checkpoint, files_of(checkpoint)), configuration.read(checkpoint)
    with _other_errors(), completed(checkpoint, found, chosen) as view:
        flops, colors = count(model, view, decoder), fit(decoder or view / "vae")
        converter(model, view, decoder, folder)
    variants = ", ".join(f"{name} {each.variant}" for name, each in chosen.items() if each.variant)
    for note in [*found.notes, *([f"full weights are missing; used: {variants}"] if variants else [])]:
        print(f"  note: {note}", file=sys.stderr)
    return flops, colors, {"variants": variants} if variants else {}


@contextlib.contextmanager
def _other_errors() -> Iterator[None]:
    """Name the libraries' errors that no check of ours foresees: four of them read a checkpoint's files."""
    try:
        yield
    except PrepareError:
        raise
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise PrepareError(f"the checkpoint's networks or tokenizers cannot be converted: {cause}") from error


def _draw(source: Source, folder: Path, engine: str) -> manifest.Trial:
    """Draw with every scheduler. Raises PrepareError if none can, or if one of a registry entry cannot."""
    print("  drawing with every scheduler", flush=True)
    drawn = trial.run(source.model, folder, engine)
    for name, reason in drawn.refused.items():
        print(f"  note: the scheduler {name} cannot draw with {engine} and is left out: {reason}", file=sys.stderr)
    if drawn.refused and source.in_registry:
        raise PrepareError(f"its entry in the registry offers {', '.join(drawn.refused)}: remove it there")
    return drawn
