"""Time the real service at its ports: engines, store and encoder are wrapped, not changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from imagegen.catalog.registry import Model
from imagegen.generation import service
from imagegen.generation.ports import (
    Backend,
    Engine,
    Engines,
    Generated,
    ImageStore,
    OnStep,
    Resident,
    Resumption,
    StoredImage,
)
from imagegen.generation.spec import GenerationSpec
from imagegen.wiring import Container


@dataclass
class Request:
    """Seconds that one request spent in each port."""

    engine_s: float = 0.0
    stepping_s: float = 0.0
    """Step callbacks: the product's own work, included in `engine_s`."""
    encode_s: float = 0.0
    s3_s: float = 0.0
    steps: list[float] = field(default_factory=list)
    """Clock after each step (time.perf_counter). Engines also call back within a step; those calls are not counted."""
    generated: Generated | None = None

    @property
    def outside_s(self) -> float:
        """Seconds that are not the handler's own work."""
        return self.engine_s - self.stepping_s + self.encode_s + self.s3_s


class Instrument:
    """Puts timing wrappers around the parts of a container; `begin` starts a request."""

    def __init__(self, container: Container, on_ready: Callable[[], None]):
        self.request = Request()
        self._on_ready = on_ready
        container.engines = TimedEngines(container.engines, self)
        container.image_store = TimedStore(container.image_store, self)
        service.encode = self._timed_encode(service.encode)  # type: ignore[attr-defined]

    def begin(self) -> None:
        """Reset the timings for the next request."""
        self.request = Request()

    def ready(self) -> None:
        """Report that an engine has been loaded."""
        self._on_ready()

    def _timed_encode(self, encode: Callable[..., bytes]) -> Callable[..., bytes]:
        def timed(*arguments: Any, **options: Any) -> bytes:
            started = time.perf_counter()
            encoded = encode(*arguments, **options)
            self.request.encode_s += time.perf_counter() - started
            return encoded

        return timed


class TimedEngines:
    """Wraps Engines: reports a loaded engine to the instrument, and returns timed engines."""

    def __init__(self, engines: Engines, instrument: Instrument):
        self._engines = engines
        self._instrument = instrument

    def held_s(self, model: Model, backend: Backend) -> float | None:
        return self._engines.held_s(model, backend)

    def resident(self, model: Model, backend: Backend) -> Resident:
        resident = self._engines.resident(model, backend)
        if resident.load_s > 0:
            self._instrument.ready()
        return replace(resident, engine=TimedEngine(resident.engine, self._instrument))


class TimedEngine:
    """An engine whose generations and step callbacks are timed."""

    def __init__(self, engine: Engine, instrument: Instrument):
        self._engine = engine
        self._instrument = instrument
        self.close = engine.close

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        request = self._instrument.request

        def timed_step(step: int, of: int) -> None:
            started = time.perf_counter()
            if step > len(request.steps):
                request.steps.append(started)
            on_step(step, of)
            request.stepping_s += time.perf_counter() - started

        started = time.perf_counter()
        request.generated = self._engine.generate(spec, timed_step, resumption)
        request.engine_s += time.perf_counter() - started
        return request.generated


class TimedStore:
    """A store whose network calls are timed. Signing a URL is not: that is the handler's own work."""

    def __init__(self, store: ImageStore, instrument: Instrument):
        self._store = store
        self._instrument = instrument
        self.sign = store.sign
        self.require_signer = store.require_signer

    def put(
        self, key: str, body: bytes, content_type: str, *, pixels_sha256: str, warnings: Sequence[str]
    ) -> StoredImage:
        with self._timed():
            return self._store.put(key, body, content_type, pixels_sha256=pixels_sha256, warnings=warnings)

    def find(self, entry: str) -> list[StoredImage] | None:
        with self._timed():
            return self._store.find(entry)

    def remember(self, entry: str, images: Sequence[StoredImage], *, replace: bool) -> None:
        with self._timed():
            self._store.remember(entry, images, replace=replace)

    def read(self, key: str) -> bytes:
        with self._timed():
            return self._store.read(key)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._instrument.request.s3_s += time.perf_counter() - started
