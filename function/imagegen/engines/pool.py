"""The one engine in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from imagegen.catalog.registry import Model
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Backend, Engine, Resident
from imagegen.generation.result import ColdStartCause


class EnginePool:
    """Holds at most one engine. Another model or backend replaces it. Thread-safe."""

    def __init__(
        self,
        load: Callable[[Model, Backend], Engine],
        memory_mb: int,
        first_cause: ColdStartCause = "new_environment",
    ):
        """`first_cause` is that of the first load."""
        self._load = load
        self._memory_mb = memory_mb
        self._lock = threading.Lock()
        self._loaded: tuple[Model, Backend, Engine] | None = None
        self._unreported_load_s = 0.0
        self._cause: ColdStartCause = first_cause
        self._next_cause: ColdStartCause = first_cause
        self._began = 0.0

    def preload(self, model: Model, backend: Backend) -> None:
        """Load the model; the next call of `resident` reports its `load_s`. Raises ModelUnavailable."""
        with self._lock:
            self._load_if_needed(model, backend)

    def held_s(self, model: Model, backend: Backend) -> float | None:
        """Return how many seconds ago the model in memory began to load on this backend; None if it is another one.

        An engine may still be loading in the background.
        """
        loaded = self._loaded
        return time.perf_counter() - self._began if loaded is not None and loaded[:2] == (model, backend) else None

    def resident(self, model: Model, backend: Backend) -> Resident:
        """Return the model's engine, loaded once even under concurrent calls.

        The first call after a load reports its `load_s`. Raises ModelUnavailable; the next call retries the load.
        """
        with self._lock:
            engine = self._load_if_needed(model, backend)
            load_s, self._unreported_load_s = self._unreported_load_s, 0.0
            return Resident(engine, load_s, self._cause)

    def _load_if_needed(self, model: Model, backend: Backend) -> Engine:
        if self._loaded is not None and self._loaded[:2] == (model, backend):
            return self._loaded[2]
        self._require_memory(model, backend)
        if self._loaded is not None:
            self._loaded[2].close()
            self._loaded = None
        self._cause, self._next_cause = self._next_cause, "failed_load"
        self._began = time.perf_counter()
        engine = self._load(model, backend)
        self._unreported_load_s = time.perf_counter() - self._began
        self._loaded = (model, backend, engine)
        self._next_cause = "another_model"
        return engine

    def _require_memory(self, model: Model, backend: Backend) -> None:
        """Raise ModelUnavailable with both numbers, because Lambda would kill the function without a message."""
        need = model.memory_mb.of(backend.precision)
        if backend.device == "cpu" and need > self._memory_mb:
            detail = f"{model.id} needs {need:,} MB in {backend.precision}; this function has {self._memory_mb:,} MB."
            raise ModelUnavailable(detail, private=detail)
