"""`make smoke`, and aliases that move under load: all traffic at once, since the local stack has no CodeDeploy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.conftest import Aws
from tools.deploy.aliases import ALIAS, FUNCTIONS
from tools.deployed.smoke import SmokeFailed, smoke
from tools.local.endpoint import Endpoint
from tools.local.load import failed, rounds

ROUNDS = 6


def test_a_deployment_that_works_passes_the_smoke_test(stack: Endpoint, tmp_path: Path) -> None:
    printed: list[str] = []
    smoke(stack, tmp_path, printed.append)
    assert printed[:2] == ["healthy", "a wrong key is refused"]
    assert printed[-1] == "its content credentials are valid"
    assert (tmp_path / "smoke.png").exists()


def test_a_deployment_with_another_key_does_not(stack: Endpoint, tmp_path: Path) -> None:
    wrong = Endpoint(stack.base_url, "not-a-key-of-this-deployment")
    with pytest.raises(SmokeFailed, match="imagegen me ends with"):
        smoke(wrong, tmp_path, print)


@pytest.fixture
def move(aws: Aws) -> Iterator[dict[str, tuple[str, str]]]:
    """Return the name of each function and a version of it, and point the aliases back to the newest code."""
    functions = aws.client("lambda")
    names = {function: aws.function(function) for function in FUNCTIONS}
    yield {
        function: (name, functions.publish_version(FunctionName=name)["Version"]) for function, name in names.items()
    }
    for name in names.values():
        functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion="$LATEST")


def test_a_rollout_and_a_rollback_under_load_fail_no_request(
    stack: Endpoint, aws: Aws, move: dict[str, tuple[str, str]]
) -> None:
    """There and back at least once, however soon the rounds are over."""
    functions, finished, moved = aws.client("lambda"), threading.Event(), threading.Event()
    left = iter(range(ROUNDS))
    with ThreadPoolExecutor(1) as caller:
        load = caller.submit(rounds, stack, lambda: next(left, None) is not None or not moved.is_set())
        load.add_done_callback(lambda _: finished.set())
        try:
            while not finished.is_set():
                for is_back in (False, True):
                    for name, version in move.values():
                        there = "$LATEST" if is_back else version
                        functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=there)
                    finished.wait(0.5)
                moved.set()
        finally:
            moved.set()  # ends the load, whatever failed
    assert failed(load.result()) == 0, load.result()
