"""Which engine, device and precision to use here, and why. Imports no engine: a cached response needs none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from imagegen.catalog.registry import Model
from imagegen.engines.cpu import Precision
from imagegen.generation.ports import Backend

_NVIDIA_DRIVER: Final = Path("/proc/driver/nvidia/version")


def choose_backends(
    device: Literal["auto", "cpu", "cuda"],
    engines: Sequence[str],
    fastest: Precision,
    threads: int,
    driver: Path = _NVIDIA_DRIVER,
) -> tuple[Backend, ...]:
    """Return the available backends, the preferred one first.

    A GPU runs torch in float16. A CPU runs OpenVINO in `fastest`, and torch, the quality reference, in float32 for the
    schedulers that OpenVINO lacks.
    """
    if device == "cuda":
        return (Backend("torch", "cuda", "float16", "DEVICE=cuda; a GPU computes float16 fastest", threads),)
    if device == "auto" and driver.exists() and "torch" in engines:
        why = f"an NVIDIA driver is loaded ({driver}); a GPU computes float16 fastest"
        return (Backend("torch", "cuda", "float16", why, threads),)
    why = "DEVICE=cpu" if device == "cpu" else "no NVIDIA driver is loaded"
    on_cpu = (
        Backend("openvino", "cpu", fastest.name, f"{why}; {fastest.reason}", threads),
        Backend("torch", "cpu", "float32", f"{why}; float32 is the reference", threads),
    )
    return tuple(backend for backend in on_cpu if backend.engine in engines)


def supported_schedulers(model: Model, backends: Sequence[Backend]) -> tuple[str, ...]:
    """Return the model's schedulers that at least one backend implements."""
    return tuple(each for each in model.schedulers if any(backend.supports(each) for backend in backends))
