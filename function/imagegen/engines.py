"""Which engine computes here and why, and the one engine that is in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from imagegen.ports import Backend, Engine, Resident
from imagegen.registry import Model

_NVIDIA_DRIVER: Final = Path("/proc/driver/nvidia/version")


def choose_backend(device: Literal["auto", "cpu", "cuda"], driver: Path = _NVIDIA_DRIVER) -> Backend:
    """Choose device and precision without importing an engine, so that a cached answer never waits for one."""
    if device == "cuda":
        return Backend("torch", "cuda", "float16", "DEVICE=cuda; a GPU computes fp16 fastest")
    if device == "auto" and driver.exists():
        return Backend(
            "torch", "cuda", "float16", f"an NVIDIA driver is loaded ({driver}); a GPU computes fp16 fastest"
        )
    why = "DEVICE=cpu" if device == "cpu" else "no NVIDIA driver is loaded"
    return Backend("torch", "cpu", "float32", f"{why}; every CPU computes fp32")


class EnginePool:
    """Holds at most one engine: a second model takes the place of the first."""

    def __init__(self, backend: Backend, load: Callable[[Model], Engine]):
        self.backend = backend
        self._load = load
        self._lock = threading.Lock()
        self._loaded: tuple[Model, Engine] | None = None

    def resident(self, model: Model) -> Resident:
        """The model's engine, loaded once however many callers come at the same time.

        Raises ModelUnavailable; the next call tries again.
        """
        with self._lock:
            if self._loaded is not None and self._loaded[0] == model:
                return Resident(self._loaded[1], load_s=0.0)
            started = time.perf_counter()
            self._loaded = None
            engine = self._load(model)
            self._loaded = (model, engine)
            return Resident(engine, load_s=time.perf_counter() - started)
