"""One stand-in for the harness's own tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.environment import prepare
from tests.faults.standin import StandIn, stand_in


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    prepare(["tests.faults.environment", "tests.faults.sample", "tests.faults.jobs"])
    with stand_in(tmp_path_factory.mktemp("standin")) as running:
        yield running
