"""Times the real service at its ports. Engines, store and encoder are wrapped, never altered."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagegen import service, wiring
from imagegen.ports import Engine, Engines, Generated, ImageStore, OnStep, Resident, StoredImage
from imagegen.registry import Model
from imagegen.request import Generation


@dataclass
class Request:
    """Seconds that one request spent behind each seam. `stepping_s`, ours again, lies within `engine_s`."""

    engine_s: float = 0.0
    stepping_s: float = 0.0
    encode_s: float = 0.0
    s3_s: float = 0.0
    steps: list[float] = field(default_factory=list)
    """The moment of each step's report."""
    generated: Generated | None = None

    @property
    def outside_s(self) -> float:
        """What is not our handler's own work."""
        return self.engine_s - self.stepping_s + self.encode_s + self.s3_s


class Seams:
    """One stopwatch for all wrappers; `begin` starts a request."""

    def __init__(self, on_ready: Callable[[], None]):
        self.request = Request()
        self._on_ready = on_ready
        _wrap(wiring, "build_engines", lambda build: lambda *given: TimedEngines(build(*given), self))
        _wrap(wiring, "build_store", lambda build: lambda *given: TimedStore(build(*given), self))
        _wrap(service, "encode", self._timed_encode)

    def begin(self) -> None:
        self.request = Request()

    def ready(self) -> None:
        self._on_ready()

    def _timed_encode(self, encode: Callable[..., bytes]) -> Callable[..., bytes]:
        def timed(*arguments: Any, **options: Any) -> bytes:
            started = time.perf_counter()
            encoded = encode(*arguments, **options)
            self.request.encode_s += time.perf_counter() - started
            return encoded

        return timed


def _wrap(module: object, name: str, wrapper: Callable[[Any], Any]) -> None:
    setattr(module, name, wrapper(getattr(module, name)))


class TimedEngines:
    """Engines whose first readiness is told and whose engines are timed."""

    def __init__(self, engines: Engines, seams: Seams):
        self._engines = engines
        self._seams = seams

    def resident(self, model: Model, *arguments: Any) -> Resident:
        resident = self._engines.resident(model, *arguments)
        if resident.load_s > 0:
            self._seams.ready()
        return Resident(TimedEngine(resident.engine, self._seams), resident.load_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engines, name)


class TimedEngine:
    def __init__(self, engine: Engine, seams: Seams):
        self._engine = engine
        self._seams = seams
        self.close = engine.close

    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        request = self._seams.request

        def timed_step(step: int, of: int) -> None:
            started = time.perf_counter()
            request.steps.append(started)
            on_step(step, of)
            request.stepping_s += time.perf_counter() - started

        started = time.perf_counter()
        request.generated = self._engine.generate(generation, timed_step)
        request.engine_s += time.perf_counter() - started
        return request.generated


class TimedStore:
    """A store whose calls over the network are timed; signing a URL is the handler's own work."""

    def __init__(self, store: ImageStore, seams: Seams):
        self._store = store
        self._seams = seams
        self.sign = store.sign

    def find(self, key: str) -> StoredImage | None:
        started = time.perf_counter()
        found = self._store.find(key)
        self._seams.request.s3_s += time.perf_counter() - started
        return found

    def put(self, key: str, body: bytes, content_type: str, *, warnings: Sequence[str], overwrite: bool) -> StoredImage:
        started = time.perf_counter()
        stored = self._store.put(key, body, content_type, warnings=warnings, overwrite=overwrite)
        self._seams.request.s3_s += time.perf_counter() - started
        return stored
