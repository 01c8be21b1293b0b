"""The demo model in both engines. Each engine is loaded once per process."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.catalog import manifest
from imagegen.catalog.registry import REGISTRY
from imagegen.engines.openvino_engine import OpenVINOEngine
from imagegen.engines.torch_engine import TorchEngine
from imagegen.generation.ports import Backend, Engine
from tests.conftest import MODELS, ROOT

HERE = Path(__file__).parent
SHIPPED = ROOT / "function" / "models" / "demo"
DEMO = REGISTRY["demo"]
TORCH = Backend("torch", "cpu", "float32", "for tests", threads=1)
OPENVINO = Backend("openvino", "cpu", "float32", "for tests", threads=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.model)


@pytest.fixture(scope="session")
def torch_engine() -> TorchEngine:
    folder = MODELS / "demo" / "torch"
    return TorchEngine.load(folder, TORCH, manifest.begin_verifying(folder))


@pytest.fixture(scope="session")
def openvino_engine() -> OpenVINOEngine:
    folder = MODELS / "demo" / "openvino"
    return OpenVINOEngine.load(folder, DEMO, OPENVINO, manifest.begin_verifying(folder))


@pytest.fixture(params=["torch", "openvino"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn: both must satisfy the contract of the port."""
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found
