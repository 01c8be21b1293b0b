"""Which engine computes here and why, and the one engine that is in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from imagegen.errors import FieldError, InvalidRequest, ModelUnavailable, ServiceError
from imagegen.ports import Backend, Engine, Resident
from imagegen.processor import Precision
from imagegen.registry import SCHEDULERS, Model

_NVIDIA_DRIVER: Final = Path("/proc/driver/nvidia/version")


def choose_backends(
    device: Literal["auto", "cpu", "cuda"],
    engines: Sequence[str],
    fastest: Precision,
    threads: int,
    driver: Path = _NVIDIA_DRIVER,
) -> tuple[Backend, ...]:
    """What computes here, the preferred one first, chosen without importing an engine: a cached answer needs none.

    A GPU takes torch in float16. A CPU takes OpenVINO in `fastest`, and torch, the reference for quality, in float32
    for the schedulers that OpenVINO lacks.
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


def known_schedulers(model: Model, backends: Sequence[Backend]) -> tuple[str, ...]:
    """The model's schedulers that an engine of this deployment knows."""
    return tuple(each for each in model.schedulers if any(backend.knows(each) for backend in backends))


class EnginePool:
    """Holds at most one engine: another model, or another backend, takes the place of the first."""

    def __init__(self, backends: Sequence[Backend], load: Callable[[Model, Backend], Engine], memory_mb: int):
        self._backends = backends
        self._load = load
        self._memory_mb = memory_mb
        self._lock = threading.Lock()
        self._loaded: tuple[Model, Backend, Engine] | None = None
        self._untold_load_s = 0.0

    def backend_for(self, scheduler: str) -> Backend:
        """The first backend that knows the scheduler. Raises InvalidRequest naming the field where none does."""
        for backend in self._backends:
            if backend.knows(scheduler):
                return backend
        known = [each for each in SCHEDULERS if any(backend.knows(each) for backend in self._backends)]
        message = f"needs an engine that this deployment lacks; here, one of {', '.join(known)}"
        raise InvalidRequest([FieldError("scheduler", "unknown_scheduler", message)])

    def begin(self, model: Model) -> None:
        """Load the model as its defaults want it. In Lambda an environment starts because a request is coming.

        A failure is that request's to report."""
        with suppress(ServiceError), self._lock:
            self._ensure(model, self.backend_for(model.defaults.scheduler))

    def holds(self, model: Model, backend: Backend) -> bool:
        """Whether the model's engine needs no loading; it may be on its way."""
        loaded = self._loaded
        return loaded is not None and loaded[:2] == (model, backend)

    def resident(self, model: Model, backend: Backend) -> Resident:
        """The model's engine, loaded once however many callers come at the same time.

        The first who gets it has `load_s` above 0. Raises ModelUnavailable; the next call tries again.
        """
        with self._lock:
            engine = self._ensure(model, backend)
            load_s, self._untold_load_s = self._untold_load_s, 0.0
            return Resident(engine, load_s)

    def _ensure(self, model: Model, backend: Backend) -> Engine:
        if self._loaded is not None and self.holds(model, backend):
            return self._loaded[2]
        self._refuse_too_large(model, backend)
        if self._loaded is not None:
            self._loaded[2].close()
            self._loaded = None
        started = time.perf_counter()
        engine = self._load(model, backend)
        self._untold_load_s = time.perf_counter() - started
        self._loaded = (model, backend, engine)
        return engine

    def _refuse_too_large(self, model: Model, backend: Backend) -> None:
        """A function that runs out of memory is killed without a word; this one says what it lacks."""
        need = model.memory_mb.of(backend.precision)
        if backend.device == "cpu" and need > self._memory_mb:
            detail = f"{model.id} needs {need:,} MB in {backend.precision}; this function has {self._memory_mb:,} MB."
            raise ModelUnavailable(detail, private=detail)
