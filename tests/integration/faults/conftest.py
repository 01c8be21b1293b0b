"""One MiniStack for the tests of the fault harness."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.faults.environment import prepare
from tools.faults.ministack import LocalAws, local_aws


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    prepare(["tools.faults.environment", "tools.faults.jobs", "tools.faults.breakage"])
    with local_aws(tmp_path_factory.mktemp("ministack")) as running:
        yield running
