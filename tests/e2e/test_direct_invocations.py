"""Direct invocations by the real SDK: the documented client, `make invoke`, and a client that gives up too early."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from tests.conftest import ROOT
from tests.e2e.conftest import Aws
from tools.local.deploy import STACK

SLOW = {"prompt": "a red circle", "num_images_per_prompt": 4, "num_inference_steps": 100, "width": 144, "height": 144}


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user whose AWS is the local stack."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    return dict(os.environ)


def documented_client() -> str:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    return str(example)


def test_the_documented_client_gets_the_first_result_again(aws: Aws, environment: dict[str, str]) -> None:
    key = str(uuid.uuid4())
    code = re.sub(r'function = ".*?"', f'function = "{aws.function("Generator")}"', documented_client())
    code = code.replace("order-17", key) + "print(json.dumps([result, client.meta.config.read_timeout]))"
    results = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
        result, read_timeout = json.loads(done.stdout)
        assert (result["status"], read_timeout > 900) == ("succeeded", True)
        results.append(result["id"])
    assert results[0] == results[1]


def test_make_invoke_prints_the_result_and_can_repeat_it(environment: dict[str, str]) -> None:
    def run(**variables: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "tools.deploy.invoke", STACK]
        done = subprocess.run(
            command, env=environment | variables, cwd=ROOT, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        keys.append(done.stderr.rpartition("IDEMPOTENCY_KEY=")[2].strip())
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    keys: list[str] = []
    first = run(PROMPT="a red circle")
    again = run(PROMPT="a red circle", IDEMPOTENCY_KEY=keys[0])
    assert (again["id"], keys[1]) == (first["id"], keys[0])


def test_retries_of_an_impatient_sdk_draw_the_images_once(aws: Aws, environment: dict[str, str]) -> None:
    event = SLOW | {"idempotency_key": str(uuid.uuid4())}
    call = {"FunctionName": aws.function("Generator"), "Qualifier": "live", "Payload": json.dumps(event)}
    before = aws.bills("local")
    session = boto3.Session()  # the default one may have the credentials of an earlier test
    impatient = session.client("lambda", config=Config(read_timeout=1, retries={"mode": "standard", "max_attempts": 3}))
    with suppress(ReadTimeoutError):  # a fast machine answers one of the retries
        impatient.invoke(**call)
    patient = session.client("lambda", config=Config(read_timeout=300, retries={"total_max_attempts": 1}))
    while (answer := json.loads(patient.invoke(**call)["Payload"].read()))["status"] == 409:
        time.sleep(1)
    assert (answer["status"], len(answer["images"])) == ("succeeded", 4)
    assert aws.bills("local") - before == {answer["id"]}
