"""The receivers of docs/webhooks.md, extracted and run: they accept our signatures and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi.testclient import TestClient

from imagegen.webhooks.signature import SigningSecrets
from tests.conftest import ROOT
from tools.local.process import free_port

DOCUMENT = (ROOT / "docs" / "webhooks.md").read_text()
PACKAGES = ROOT / "tests" / "support" / "receivers"
SECRETS = SigningSecrets.new()
BODY = '{ "type": "job.succeeded",\n "data": {"id": "01KAJ9X2S4QZ8W3V5N7M6K1H0G", "guidance_scale": 1.0} }'
RESERIALIZED = json.dumps(json.loads(BODY), separators=(",", ":"))

Post = Callable[[str, dict[str, str]], int]


def example(title: str) -> str:
    section = DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    return str(code)


def python_app(title: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRETS.values[0])
    names: dict[str, Any] = {"__name__": title}
    exec(compile(example(title), title, "exec", dont_inherit=True), names)  # noqa: S102
    return names["app"]


@pytest.fixture
def fastapi(monkeypatch: pytest.MonkeyPatch) -> Post:
    client = TestClient(python_app("FastAPI", monkeypatch))
    return lambda body, headers: client.post("/hooks/images", content=body.encode(), headers=headers).status_code


@pytest.fixture
def flask(monkeypatch: pytest.MonkeyPatch) -> Post:
    client = python_app("Flask", monkeypatch).test_client()

    def post(body: str, headers: dict[str, str]) -> int:
        return int(client.post("/hooks/images", data=body.encode(), headers=headers).status_code)

    return post


@pytest.fixture(scope="module")
def express_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("the Express receiver needs node and npm, which are not installed")
    folder = tmp_path_factory.mktemp("express")
    shutil.copytree(PACKAGES, folder, dirs_exist_ok=True)
    subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True, timeout=300)
    (folder / "receiver.js").write_text(example("Express"))
    port = free_port()
    environment = os.environ | {"WEBHOOK_SECRET": SECRETS.values[0], "PORT": str(port)}
    with subprocess.Popen([node, "receiver.js"], cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        wait_until_it_listens(port, process, folder)
        yield f"http://127.0.0.1:{port}/hooks/images"
        process.terminate()


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Poll until the receiver responds. Fails if it exits."""
    while process.poll() is None:
        try:
            requests.get(f"http://127.0.0.1:{port}", timeout=5)
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.05)  # leaves a busy machine to the receiver
            continue
        return
    pytest.fail(f"{folder / 'receiver.js'} exited with {process.returncode}")


@pytest.fixture
def express(express_url: str) -> Post:
    return lambda body, headers: requests.post(express_url, body.encode(), headers=headers, timeout=30).status_code


@pytest.fixture(params=["express", "fastapi", "flask"])
def post(request: pytest.FixtureRequest) -> Post:
    found: Post = request.getfixturevalue(request.param)
    return found


def signed(secrets: SigningSecrets = SECRETS) -> dict[str, str]:
    headers = secrets.headers("msg_01KAJ9X2S4QZ8W3V5N7M6K1H0G", datetime.now(UTC), BODY)
    return headers | {"content-type": "application/json"}


def test_a_signed_webhook_is_accepted(post: Post) -> None:
    assert post(BODY, signed()) == 204


def test_one_of_two_signatures_is_enough(post: Post) -> None:
    assert post(BODY, signed(SECRETS.rotated())) == 204


def test_a_signature_does_not_survive_serializing_the_body_again(post: Post) -> None:
    assert post(RESERIALIZED, signed()) == 400


def test_a_signature_of_another_secret_is_refused(post: Post) -> None:
    assert post(BODY, signed(SigningSecrets.new())) == 400


def test_a_request_without_a_signature_is_refused(post: Post) -> None:
    assert post(BODY, {"content-type": "application/json"}) == 400
