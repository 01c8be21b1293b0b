from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagegen.engines import EnginePool, choose_backend
from imagegen.errors import ModelUnavailable
from imagegen.ports import Engine
from imagegen.registry import REGISTRY, Model
from tests.fakes import FakeEngine

DEMO, TURBO = REGISTRY["demo"], REGISTRY["sd-turbo"]
CPU = choose_backend("cpu")


class Loader:
    """Counts loads; holds every load until `gate` is set."""

    def __init__(self) -> None:
        self.models: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, model: Model) -> Engine:
        self.gate.wait(5)
        self.models.append(model.id)
        return FakeEngine()


def test_many_callers_at_once_load_once() -> None:
    loader = Loader()
    pool = EnginePool(CPU, loader)
    loader.gate.clear()
    with ThreadPoolExecutor(8) as executor:
        waiting = [executor.submit(pool.resident, DEMO) for _ in range(8)]
        loader.gate.set()
        residents = [each.result() for each in waiting]
    assert loader.models == ["demo"]
    assert len({id(resident.engine) for resident in residents}) == 1
    assert sum(resident.load_s > 0 for resident in residents) == 1


def test_a_second_model_takes_the_place_of_the_first() -> None:
    loader = Loader()
    pool = EnginePool(CPU, loader)
    for model in (DEMO, TURBO, TURBO, DEMO):
        pool.resident(model)
    assert loader.models == ["demo", "sd-turbo", "demo"]


def test_the_first_model_is_gone_before_the_second_loads() -> None:
    alive: list[weakref.ref[Engine]] = []

    def load(model: Model) -> Engine:
        assert [each for each in alive if each() is not None] == []
        engine = FakeEngine()
        alive.append(weakref.ref(engine))
        return engine

    pool = EnginePool(CPU, load)
    for model in (DEMO, TURBO, DEMO):
        pool.resident(model)
    assert len(alive) == 3


def test_a_failed_load_is_tried_again() -> None:
    failures = [ModelUnavailable("gone")]

    def load(model: Model) -> Engine:
        if failures:
            raise failures.pop()
        return FakeEngine()

    pool = EnginePool(CPU, load)
    with pytest.raises(ModelUnavailable):
        pool.resident(DEMO)
    assert pool.resident(DEMO).load_s > 0


def test_the_backend_says_why(tmp_path: Path) -> None:
    driver = tmp_path / "version"
    assert choose_backend("auto", driver).device == "cpu"
    driver.touch()
    assert (choose_backend("auto", driver).device, choose_backend("auto", driver).precision) == ("cuda", "float16")
    assert choose_backend("cpu", driver).device == "cpu"
    assert choose_backend("cuda").device == "cuda"
    assert str(driver) in choose_backend("auto", driver).reason
