"""Settings with which Powertools logs whole events: no handler does, since events have credentials and prompts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import ROOT
from tests.support.authorizer_events import authorizer_event
from tools.lambda_event import api_event

CANARY: Final = "imagegen_canary"
REQUEST: Final = api_event(
    {"prompt": CANARY},
    headers={"x-api-key": CANARY},
    queryStringParameters={"api_key": CANARY},
    requestContext={"requestId": "r", "path": "/v1/generate"},
)
RECORDS: Final = {"Records": [], "canary": CANARY}
EVENTS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "authorizer": (authorizer_event(("x-api-key", CANARY)), "malformed_key"),
    "api": (REQUEST | {"resource": "/jobs", "path": "/jobs"}, "no_authorizer"),
    "generator": (REQUEST, "no_authorizer"),
    "worker": (RECORDS, "ended"),
    "dead_letters": (RECORDS, "ended"),
    "webhooks": (RECORDS, "ended"),
    "sweeper": ({"canary": CANARY}, "ended"),
    "warmer": ({"canary": CANARY}, "EndpointConnectionError"),
    "rollout_check": ({"canary": CANARY}, "unsupported_event"),
}
"""An event of each entrypoint, and what shows that the handler has read it."""
PROGRAM: Final = """
import importlib, json, sys
from tools.lambda_event import Context
module = importlib.import_module(f"imagegen.entrypoints.{sys.argv[1]}")
try:
    print(module.handler(json.load(sys.stdin), Context()))
finally:
    print("ended")
"""


def test_every_entrypoint_has_an_event() -> None:
    assert set(EVENTS) == {path.stem for path in (ROOT / "function/imagegen/entrypoints").glob("[!_]*.py")}


@pytest.mark.parametrize("entrypoint", EVENTS)
def test_no_event_is_logged_even_if_an_owner_asks_for_it(entrypoint: str, tmp_path: Path) -> None:
    """Powertools reads the variables when the handler is decorated, so this needs a process of its own."""
    event, read = EVENTS[entrypoint]
    asked = {"POWERTOOLS_LOGGER_LOG_EVENT": "true", "POWERTOOLS_DEV": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, entrypoint],
        input=json.dumps(event),
        env={**os.environ, **asked, "PYTHONPATH": f"{ROOT / 'function'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert read in done.stdout, done.stderr
    assert CANARY not in done.stdout + done.stderr
