from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagegen.catalog.registry import REGISTRY, Model
from imagegen.engines.cpu import Precision
from imagegen.engines.pool import EnginePool
from imagegen.engines.selection import choose_backends, supported_schedulers
from imagegen.errors import InvalidRequest, ModelUnavailable
from imagegen.generation.ports import Backend, Engine
from tests.support.fakes import FakeEngine

DEMO, TURBO = REGISTRY["demo"], REGISTRY["sd-turbo"]
BFLOAT16 = Precision("bfloat16", "the CPU supports it")
OPENVINO, TORCH = choose_backends("cpu", ("openvino", "torch"), BFLOAT16, threads=2)
PLENTY_MB = 10240


class Loader:
    """Records loads. Blocks each load until `gate` is set."""

    def __init__(self) -> None:
        self.models: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, model: Model, backend: Backend) -> Engine:
        self.gate.wait(5)
        self.models.append(model.id)
        return FakeEngine()


def test_concurrent_callers_load_once() -> None:
    loader = Loader()
    pool = EnginePool([OPENVINO, TORCH], loader, PLENTY_MB)
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
    pool = EnginePool([OPENVINO, TORCH], loader, PLENTY_MB)
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

    pool = EnginePool([OPENVINO, TORCH], load, PLENTY_MB)
    for model in (DEMO, TURBO, DEMO):
        pool.resident(model, OPENVINO)
    assert len(alive) == 3


def test_a_failed_load_is_retried() -> None:
    failures = [ModelUnavailable("gone")]

    def load(model: Model, backend: Backend) -> Engine:
        if failures:
            raise failures.pop()
        return FakeEngine()

    pool = EnginePool([OPENVINO, TORCH], load, PLENTY_MB)
    with pytest.raises(ModelUnavailable):
        pool.resident(DEMO, OPENVINO)
    assert pool.resident(DEMO, OPENVINO).load_s > 0


def test_an_engine_is_closed_before_it_is_replaced() -> None:
    engines: list[FakeEngine] = []

    def load(model: Model, backend: Backend) -> Engine:
        assert all(engine.closed for engine in engines)
        engines.append(FakeEngine())
        return engines[-1]

    pool = EnginePool([OPENVINO, TORCH], load, PLENTY_MB)
    for model in (DEMO, TURBO):
        pool.resident(model, OPENVINO)
    assert [engine.closed for engine in engines] == [True, False]


def test_a_load_begun_early_is_not_repeated_and_still_counts_as_a_cold_start() -> None:
    loader = Loader()
    pool = EnginePool([OPENVINO, TORCH], loader, PLENTY_MB)
    pool.begin(DEMO)
    first, second = pool.resident(DEMO, OPENVINO), pool.resident(DEMO, OPENVINO)
    assert loader.models == ["demo"]
    assert first.load_s > 0
    assert second.load_s == 0


def test_an_early_load_that_fails_is_reported_to_the_next_caller() -> None:
    pool = EnginePool([OPENVINO], Loader(), memory_mb=1)
    pool.begin(DEMO)
    with pytest.raises(ModelUnavailable):
        pool.resident(DEMO, OPENVINO)


def test_a_second_backend_replaces_the_first() -> None:
    loader = Loader()
    pool = EnginePool([OPENVINO, TORCH], loader, PLENTY_MB)
    for backend in (OPENVINO, TORCH, OPENVINO):
        pool.resident(DEMO, backend)
    assert loader.models == ["demo", "demo", "demo"]


def test_a_model_too_large_for_the_function_is_rejected_with_both_sizes() -> None:
    loader = Loader()
    pool = EnginePool([OPENVINO, TORCH], loader, memory_mb=4096)
    with pytest.raises(ModelUnavailable) as caught:
        pool.resident(TURBO, OPENVINO)
    need = TURBO.memory_mb.half
    assert caught.value.detail == f"sd-turbo needs {need:,} MB in bfloat16; this function has 4,096 MB."
    assert loader.models == []
    assert pool.resident(DEMO, OPENVINO).load_s > 0


@pytest.mark.parametrize("model", REGISTRY.values(), ids=lambda model: model.id)
def test_every_model_fits_the_largest_function_in_some_precision(model: Model) -> None:
    assert model.memory_mb.half <= model.memory_mb.float32 <= 10240


def test_a_scheduler_selects_the_first_engine_that_supports_it() -> None:
    pool = EnginePool([OPENVINO, TORCH], Loader(), PLENTY_MB)
    assert pool.backend_for("ddim") == OPENVINO
    assert pool.backend_for("dpm_multistep") == TORCH


def test_a_scheduler_without_an_engine_is_an_invalid_request() -> None:
    pool = EnginePool([OPENVINO], Loader(), PLENTY_MB)
    with pytest.raises(InvalidRequest) as caught:
        pool.backend_for("dpm_multistep")
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("scheduler", "unknown_scheduler")
    assert "euler_ancestral" in error.message
    assert "dpm_multistep" not in error.message
    assert "dpm_multistep" not in supported_schedulers(DEMO, [OPENVINO])
    assert "dpm_multistep" in supported_schedulers(DEMO, [OPENVINO, TORCH])
