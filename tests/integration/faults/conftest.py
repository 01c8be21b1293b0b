"""One stand-in for the harness's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.faults.environment import prepare
from tools.faults.ministack import StandIn, stand_in


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    prepare(["tools.faults.environment", "tools.faults.sample", "tools.faults.jobs"])
    with stand_in(tmp_path_factory.mktemp("standin")) as running:
        yield running
