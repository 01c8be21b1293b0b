"""Which engine, device and precision to use here, and why. Imports no engine: a cached response needs none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from imagegen.engines.cpu import Precision
from imagegen.generation.ports import Backend

_NVIDIA_DRIVER: Final = Path("/proc/driver/nvidia/version")


def choose_backend(
    device: Literal["auto", "cpu", "cuda"],
    engines: Sequence[str],
    fastest: Precision,
    threads: int,
    driver: Path = _NVIDIA_DRIVER,
) -> Backend:
    """Return the backend of every request: torch in float16 on a GPU, OpenVINO in `fastest` on a CPU.

    Without OpenVINO among `engines`, a CPU runs torch, the reference for quality, in float32.
    """
    if device == "cuda":
        return Backend("torch", "cuda", "float16", "DEVICE=cuda; a GPU computes float16 fastest", threads)
    if device == "auto" and driver.exists() and "torch" in engines:
        why = f"an NVIDIA driver is loaded ({driver}); a GPU computes float16 fastest"
        return Backend("torch", "cuda", "float16", why, threads)
    why = "DEVICE=cpu" if device == "cpu" else "no NVIDIA driver is loaded"
    if "openvino" in engines:
        return Backend("openvino", "cpu", fastest.name, f"{why}; {fastest.reason}", threads)
    return Backend("torch", "cpu", "float32", f"{why}; float32 is the reference", threads)
