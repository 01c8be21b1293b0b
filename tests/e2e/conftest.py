"""One stack for the session: a deployed one where BASE_URL and API_KEY say so, else a local one of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stack.client import Client
from tests.stack.endpoint import Endpoint
from tests.stack.local import LOCAL, local_stack
from tests.stack.process import free_port

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def stack() -> Iterator[Endpoint]:
    if "BASE_URL" in os.environ:
        yield Endpoint(os.environ["BASE_URL"].rstrip("/"), os.environ["API_KEY"])
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    with local_stack(free_port(), LOCAL / f"e2e-{worker}.log") as running:
        yield running.endpoint


@pytest.fixture(scope="session")
def client(stack: Endpoint) -> Client:
    return Client(stack)


@pytest.fixture
def assert_same_image(request: pytest.FixtureRequest) -> Callable[[bytes, bytes], None]:
    """Compare two images byte for byte; a difference leaves both in .local/e2e to look at."""

    def compare(expected: bytes, actual: bytes) -> None:
        if expected == actual:
            return
        folder = LOCAL / "e2e" / request.node.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "expected.png").write_bytes(expected)
        (folder / "actual.png").write_bytes(actual)
        pytest.fail(f"the images differ; both are in {folder}")

    return compare
