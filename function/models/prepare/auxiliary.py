"""Converts the networks of `models/auxiliary` for OpenVINO into one folder with a manifest."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from imagegen.catalog import auxiliary, manifest
from imagegen.catalog.auxiliary import AuxiliaryNetwork
from imagegen.errors import ModelUnavailable
from models.prepare.errors import PrepareError
from models.prepare.whole_folder import replacing

HERE: Final = Path(__file__).resolve().parent
SOURCES: Final = HERE.parent / "auxiliary"
RECIPE: Final = ("auxiliary.py", "auxiliary_networks.py", "channels_first.py", "ncnn.py", "tfjs.py")
"""Modules whose source affects the files."""


def prepare(models_dir: Path, sources: Path = SOURCES) -> None:
    """Build `models_dir`/auxiliary/openvino, unless it is up to date. It is never left half-written.

    Raises PrepareError if a file is missing or not the one that the catalogue names.
    """
    folder, inputs = auxiliary.prepared(models_dir), _build_inputs()
    if _is_up_to_date(folder, inputs):
        print(f"{folder} is up to date")
        return
    print("Converting the auxiliary networks:", flush=True)
    with replacing(folder) as built:
        for network in auxiliary.NETWORKS:
            print(f"  {network.name}", flush=True)
            _convert(network, sources / network.name, built / network.name)
        manifest.write(built, inputs)
    print(f"{folder} is ready")


def _build_inputs() -> dict[str, str]:
    recipe = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in RECIPE)).hexdigest()[:12]
    revisions = {network.name: network.revision for network in auxiliary.NETWORKS}
    return {"recipe": recipe, "openvino": importlib.metadata.version("openvino"), **revisions}


def _is_up_to_date(folder: Path, inputs: Mapping[str, str]) -> bool:
    try:
        manifest.verify(folder)
        return inputs.items() <= manifest.prepared_with(folder).items()
    except ModelUnavailable:
        return False


def _convert(network: AuxiliaryNetwork, source: Path, folder: Path) -> None:
    # OpenVINO reports every import and conversion to Intel through this package, and works without it.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    from models.prepare.auxiliary_networks import CONVERTERS, save

    weights = weights_of(network, source)
    if hashlib.sha256(weights.read_bytes()).hexdigest() != network.sha256:
        raise PrepareError(f"{weights} does not have the SHA-256 of {network.name} in catalog/auxiliary.py")
    folder.mkdir()
    save(CONVERTERS[network](weights), folder)
    shutil.copy(source / "LICENSE", folder)


def weights_of(network: AuxiliaryNetwork, source: Path) -> Path:
    """Return the file with the network's weights: in `source`, or in its package. Raises PrepareError.

    The package is not imported, because its dependencies are not installed.
    """
    if not network.package:
        return source / network.weights
    found = importlib.util.find_spec(network.package)
    if found is None or found.origin is None:
        raise PrepareError(f"{network.package} is not installed; install function/requirements-weights.txt")
    return Path(found.origin).with_name(network.weights)
