"""The demo model in both engines, loaded as the service loads it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from imagegen.catalog import manifest
from imagegen.catalog.registry import REGISTRY
from imagegen.engines.cpu import fastest_precision, vcpus
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.torch_engine import TorchEngine
from imagegen.generation.ports import Backend, Engine
from tools.local.process import ROOT

MODELS: Final = ROOT / ".local" / "models"
"""Models prepared by `make`."""


def loaded(names: Collection[str]) -> Iterator[tuple[str, Engine]]:
    """Load the engines one after the other: each with its name and precision."""
    for backend in backends():
        if backend.engine in names:
            yield f"{backend.engine} {backend.precision}", load(backend)


def backends() -> list[Backend]:
    """Return torch float32 as the reference, and OpenVINO in float32 and the processor's fastest type."""
    threads = vcpus(memory_mb=10240)
    precisions = dict.fromkeys(["float32", fastest_precision(threads).name])
    return [
        Backend("torch", "cpu", "float32", "reference", threads),
        *(Backend("openvino", "cpu", precision, "default", threads) for precision in precisions),
    ]


def load(backend: Backend, models: Path = MODELS) -> Engine:
    """Load the demo model from the folder of prepared models."""
    folder = models / "demo" / backend.engine
    verified = manifest.begin_verifying(folder)
    if backend.engine == "torch":
        return TorchEngine.load(folder, backend, verified)
    return OpenVINOEngine.load(folder, REGISTRY["demo"], backend, verified)
