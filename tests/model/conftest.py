"""The demo model in the torch engine, loaded once per process."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegen.engine_torch import TorchEngine
from imagegen.engines import choose_backend
from tests.conftest import ROOT

HERE = Path(__file__).parent
DEMO = ROOT / "function" / "models" / "demo"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One xdist worker runs all of them, so that the model is loaded once."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.model)
            item.add_marker(pytest.mark.xdist_group("model"))


@pytest.fixture(scope="session")
def torch_engine() -> TorchEngine:
    return TorchEngine.load(DEMO, choose_backend("cpu"))
