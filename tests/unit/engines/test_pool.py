from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from imagegen.catalog.registry import REGISTRY, Model
from imagegen.engines.cpu import Precision
from imagegen.engines.pool import EnginePool
from imagegen.engines.selection import choose_backend
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Backend, Engine
from imagegen.generation.result import ColdStartCause
from tests.support.fakes import FakeEngine

DEMO, TURBO = REGISTRY["demo"], REGISTRY["sd-turbo"]
BFLOAT16 = Precision("bfloat16", "the CPU supports it")
OPENVINO, TORCH = (choose_backend("cpu", (engine,), BFLOAT16, threads=2) for engine in ("openvino", "torch"))
PLENTY_MB = 10240


class Loader:
    """Records loads. Blocks each load until `gate` is set."""

    def __init__(self) -> None:
        self.models: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, model: Model, backend: Backend) -> Engine:
        assert self.gate.wait(60)
        self.models.append(model.id)
        return FakeEngine()


def test_concurrent_callers_load_once() -> None:
    loader = Loader()
    pool = EnginePool(loader, PLENTY_MB)
    loader.gate.clear()
    with ThreadPoolExecutor(8) as executor:
        waiting = [executor.submit(pool.resident, DEMO, OPENVINO) for _ in range(8)]
        loader.gate.set()
        residents = [each.result() for each in waiting]
    assert loader.models == ["demo"]
    assert len({id(resident.engine) for resident in residents}) == 1
    assert sum(resident.load_s > 0 for resident in residents) == 1


def test_a_second_model_replaces_the_first() -> None:
    loader = Loader()
    pool = EnginePool(loader, PLENTY_MB)
    for model in (DEMO, TURBO, TURBO, DEMO):
        pool.resident(model, OPENVINO)
    assert loader.models == ["demo", "sd-turbo", "demo"]


def test_the_first_model_is_freed_before_the_second_loads() -> None:
    alive: list[weakref.ref[Engine]] = []

    def load(model: Model, backend: Backend) -> Engine:
        assert [each for each in alive if each() is not None] == []
        engine = FakeEngine()
        alive.append(weakref.ref(engine))
        return engine

    pool = EnginePool(load, PLENTY_MB)
    for model in (DEMO, TURBO, DEMO):
        pool.resident(model, OPENVINO)
    assert len(alive) == 3


def test_a_failed_load_is_retried() -> None:
    failures = [ModelUnavailable("gone")]

    def load(model: Model, backend: Backend) -> Engine:
        if failures:
            raise failures.pop()
        return FakeEngine()

    pool = EnginePool(load, PLENTY_MB)
    with pytest.raises(ModelUnavailable):
        pool.resident(DEMO, OPENVINO)
    assert pool.resident(DEMO, OPENVINO).load_s > 0


def test_an_engine_is_closed_before_it_is_replaced() -> None:
    engines: list[FakeEngine] = []

    def load(model: Model, backend: Backend) -> Engine:
        assert all(engine.closed for engine in engines)
        engines.append(FakeEngine())
        return engines[-1]

    pool = EnginePool(load, PLENTY_MB)
    for model in (DEMO, TURBO):
        pool.resident(model, OPENVINO)
    assert [engine.closed for engine in engines] == [True, False]


def test_a_preload_is_not_repeated_and_still_counts_as_a_cold_start() -> None:
    loader = Loader()
    pool = EnginePool(loader, PLENTY_MB)
    pool.preload(DEMO, OPENVINO)
    first, second = pool.resident(DEMO, OPENVINO), pool.resident(DEMO, OPENVINO)
    assert loader.models == ["demo"]
    assert first.load_s > 0
    assert second.load_s == 0


def test_a_preload_that_fails_raises_and_so_does_the_next_caller() -> None:
    pool = EnginePool(Loader(), memory_mb=1)
    with pytest.raises(ModelUnavailable):
        pool.preload(DEMO, OPENVINO)
    with pytest.raises(ModelUnavailable):
        pool.resident(DEMO, OPENVINO)


def test_a_second_backend_replaces_the_first() -> None:
    loader = Loader()
    pool = EnginePool(loader, PLENTY_MB)
    for backend in (OPENVINO, TORCH, OPENVINO):
        pool.resident(DEMO, backend)
    assert loader.models == ["demo", "demo", "demo"]


def test_a_model_too_large_for_the_function_is_rejected_with_both_sizes() -> None:
    loader = Loader()
    pool = EnginePool(loader, memory_mb=4096)
    with pytest.raises(ModelUnavailable) as caught:
        pool.resident(TURBO, OPENVINO)
    need = TURBO.memory_mb.half
    assert caught.value.detail == f"sd-turbo needs {need:,} MB in bfloat16; this function has 4,096 MB."
    assert loader.models == []
    assert pool.resident(DEMO, OPENVINO).load_s > 0


@pytest.mark.parametrize("first", ["new_environment", "provisioned"])
def test_each_load_has_its_cause(first: ColdStartCause) -> None:
    pool = EnginePool(Loader(), PLENTY_MB, first)
    causes = [pool.resident(model, OPENVINO).cause for model in (DEMO, TURBO, DEMO)]
    assert causes == [first, "another_model", "another_model"]


def test_the_load_after_failed_ones_is_their_consequence() -> None:
    outcomes = iter([False, False, True, True, False, True, True])

    def load(model: Model, backend: Backend) -> Engine:
        if not next(outcomes):
            raise ModelUnavailable("gone")
        return FakeEngine()

    def causes(model: Model) -> Iterator[str]:
        for _ in range(3):
            with suppress(ModelUnavailable):
                yield pool.resident(model, OPENVINO).cause

    pool = EnginePool(load, PLENTY_MB)
    with suppress(ModelUnavailable):
        pool.preload(DEMO, OPENVINO)
    assert list(causes(DEMO)) == ["failed_load", "failed_load"]
    assert pool.resident(TURBO, OPENVINO).cause == "another_model"
    assert list(causes(DEMO)) == ["failed_load", "failed_load"]
    assert pool.resident(TURBO, OPENVINO).cause == "another_model"


def test_a_model_that_is_too_large_is_no_failed_load() -> None:
    """Nothing was loaded, and nothing was freed for it."""
    pool = EnginePool(Loader(), memory_mb=4096)
    with pytest.raises(ModelUnavailable):
        pool.resident(TURBO, OPENVINO)
    assert pool.resident(DEMO, OPENVINO).cause == "new_environment"


@pytest.mark.parametrize("model", REGISTRY.values(), ids=lambda model: model.id)
def test_every_model_fits_the_largest_function_in_some_precision(model: Model) -> None:
    assert model.memory_mb.half <= model.memory_mb.float32 <= 10240
