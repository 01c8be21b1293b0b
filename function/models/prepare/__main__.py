"""Prepare a model for the engines, for example: python -m models.prepare sd-turbo /opt/models

MODEL is a registry id, a folder in diffusers layout, or owner/name@commit on the Hugging Face Hub. Each engine gets its
own folder, MODELS_DIR/<id>/<engine>, with a manifest. Folders that are up to date are not rebuilt. If the model is not
in the registry, its registry entry is printed. `make model` and the Dockerfile's weights stage run this command.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from imagegen.catalog.manifest import Trial
from models.prepare import engine_folder, registry_entry, source
from models.prepare.errors import PrepareError


def _engines(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in engine_folder.ENGINES]
    if unknown:
        allowed = ", ".join(engine_folder.ENGINES)
        raise argparse.ArgumentTypeError(f"unknown engine {unknown[0]!r}; use a comma-separated list of {allowed}")
    return list(dict.fromkeys(names))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.prepare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="registry id, folder, or owner/name@commit")
    parser.add_argument("models_dir", metavar="MODELS_DIR", type=Path, help="output folder; MODELS_DIR/<id> is created")
    parser.add_argument(
        "--engines", type=_engines, default="openvino,torch", help="comma-separated list (default: %(default)s)"
    )
    parser.add_argument(
        "--torch-dtype",
        choices=("float32", "float16", "bfloat16"),
        default="float32",
        help="dtype of the torch engine's weights; use float16 for a GPU (default: %(default)s)",
    )
    return parser


def main() -> None:
    """Exit status 2: the arguments name no model that can be prepared. 1: preparing it failed."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        found = source.find(arguments.model)
    except (PrepareError, OSError) as error:
        parser.error(str(error))
    try:
        trials = engine_folder.prepare(found, arguments.models_dir.resolve(), arguments.engines, arguments.torch_dtype)
        if not found.in_registry:
            _print_entry(found, trials)
    except (PrepareError, OSError) as error:  # OSError: no space left, or no permission
        sys.exit(f"Cannot prepare {arguments.model}: {error}")


def _print_entry(found: source.Source, trials: dict[str, Trial]) -> None:
    model, notes = registry_entry.measured(found.model, trials)
    print("\nTo serve this model, add it to function/imagegen/catalog/registry.py:\n")
    print(registry_entry.to_python(model))
    for note in [*found.notes, *notes, registry_entry.size_note(model)]:
        print(f"note: {note}", file=sys.stderr)


if __name__ == "__main__":
    # Exit through an exception: the default action of SIGTERM would leave the temporary folder behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    main()
