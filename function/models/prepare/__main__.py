"""Turns a checkpoint into what loads and runs fastest here: `python models/prepare.py sd-turbo /opt/models`.

MODEL is a registry id, a folder in diffusers layout, or owner/name@revision, a commit of the hub. Each engine gets
MODELS_DIR/<id>/<engine>, complete and with its manifest; what is there and up to date stays as it is. For a model that
the registry does not know, its entry is printed. The weights stage of the Dockerfile runs this, and `make model`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from imagegen import manifest
from imagegen.errors import ModelUnavailable
from imagegen.registry import Model
from models.prepare import registry_entry as entry
from models.prepare import source
from models.prepare.pipeline_index import Refused

HERE: Final = Path(__file__).resolve().parent
TOOLS: Final = {
    "openvino": ("openvino", "openvino-tokenizers", "nncf", "torch", "diffusers", "transformers"),
    "torch": ("torch", "diffusers", "transformers"),
}
"""Whose versions shape each engine's files."""
RECIPES: Final = {
    "openvino": ("networks.py", "convert.py", "openvino_export.py"),
    "torch": ("networks.py", "retype.py"),
}
"""The modules that shape them."""


def prepare(found: source.Source, models_dir: Path, engines: list[str], torch_dtype: str) -> None:
    """Write what is missing or outdated. Raises Refused; nothing half-written stays."""
    models_dir.mkdir(parents=True, exist_ok=True)
    wanted = {engine: _made_of(found.model, engine, torch_dtype) for engine in engines}
    with _alone_in(models_dir):
        for engine, made_of in wanted.items():
            folder = models_dir / found.model.id / engine
            if _is_up_to_date(folder, made_of):
                print(f"{folder} is up to date")
            else:
                _write(found, folder, made_of, _recipe(engine, torch_dtype))
                print(f"{folder} is ready")


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """A second run waits here, and then finds the first one's result."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _made_of(model: Model, engine: str, torch_dtype: str) -> dict[str, str]:
    """Everything that shapes the files: as long as it is the same, so are they."""
    own = torch_dtype if engine == "torch" else model.weights
    return {
        "source": model.source,
        "revision": model.revision,
        "decoder": f"{model.decoder.source}@{model.decoder.revision}" if model.decoder else "its own",
        "weights": own,
        "recipe": hashlib.sha256(b"".join((HERE / name).read_bytes() for name in RECIPES[engine])).hexdigest()[:12],
        **{tool: _version(tool) for tool in TOOLS[engine] if tool != "nncf" or model.weights == "int8"},
    }


def _version(tool: str) -> str:
    try:
        return importlib.metadata.version(tool)
    except importlib.metadata.PackageNotFoundError:
        raise Refused(f"preparing needs the package {tool} (function/requirements-prepare.txt)") from None


def _is_up_to_date(folder: Path, made_of: dict[str, str]) -> bool:
    try:
        manifest.verify(folder)
        return manifest.prepared_with(folder) == made_of
    except ModelUnavailable:
        return False


def _recipe(engine: str, torch_dtype: str) -> Callable[[Model, Path, Path | None, Path], None]:
    """Imported only where something is to be written: the libraries take seconds."""
    if engine == "openvino":
        # Without it OpenVINO and NNCF still work; with it they report each import and conversion to their maker.
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        from models.prepare.convert import convert

        return convert
    from models.prepare.retype import retype

    return lambda model, checkpoint, decoder, folder: retype(model, checkpoint, decoder, folder, torch_dtype)


def _write(
    found: source.Source,
    folder: Path,
    made_of: dict[str, str],
    recipe: Callable[[Model, Path, Path | None, Path], None],
) -> None:
    """Make the folder beside its place and rename it, so that it is there whole or not at all."""
    checkpoint = source.checkpoint(found)
    decoder = source.decoder(found.model.decoder) if found.model.decoder else None
    folder.parent.mkdir(exist_ok=True)
    for abandoned in folder.parent.glob(f".{folder.name}-*"):  # by a run that was killed
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        print(f"{found.model.id} for {folder.name}:", flush=True)
        recipe(found.model, checkpoint, decoder, fresh)
        manifest.write(fresh, made_of)
        _readable_by_everyone(fresh)
        if folder.exists():
            folder.rename(Path(temporary) / "outdated")
        fresh.rename(folder)


def _readable_by_everyone(folder: Path) -> None:
    """safetensors writes files only their owner can read, and Lambda runs as a user of its own."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _engines(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= TOOLS.keys():
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(TOOLS)}")
    return list(dict.fromkeys(names))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="a registry id, a folder, or owner/name@revision")
    parser.add_argument("models_dir", metavar="MODELS_DIR", type=Path, help="gets one folder, named after the id")
    parser.add_argument("--engines", type=_engines, default="openvino,torch", help="default: %(default)s")
    parser.add_argument(
        "--torch-dtype", choices=("float32", "float16", "bfloat16"), default="float32", help="float16 for a GPU"
    )
    return parser


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    try:
        found = source.find(arguments.model)
    except Refused as refused:
        parser.error(str(refused))
    try:
        prepare(found, arguments.models_dir.resolve(), arguments.engines, arguments.torch_dtype)
    except Refused as refused:
        sys.exit(f"{arguments.model} cannot be prepared: {refused}")
    if not found.listed:
        print("\nTo offer it, add this to imagegen/registry.py:\n\n" + entry.literal(found.model))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that what was begun is removed
    main()
