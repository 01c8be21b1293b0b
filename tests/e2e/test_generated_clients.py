"""Clients of others: generated ones submit a job and wait for it; OpenAI's SDK reads what POST /verify finds."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import ROOT
from tests.support import node
from tests.support.credentials import DEMO, credentials, pictures
from tests.support.node import CLIENTS
from tools.local.endpoint import Endpoint
from tools.local.signing_certificate import ORGANIZATION

GENERATOR = ROOT / ".local" / "python-client" / "bin"


@pytest.fixture(scope="module")
def document(stack: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The served document in a file."""
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    file.write_text(requests.get(f"{stack.base_url}/openapi.json", timeout=60).text)
    return file


@pytest.fixture
def environment(stack: Endpoint) -> dict[str, str]:
    """What the programs in tests/clients read. More than 31 bits, so that a 32-bit seed fails."""
    seed = 2**31 + secrets.randbelow(2**31)
    return {"BASE_URL": stack.base_url, "API_KEY": stack.api_key, "SEED": str(seed)}


def expected(environment: dict[str, str]) -> dict[str, Any]:
    seed = int(environment["SEED"])
    return {"health": "ok", "status": "succeeded", "seed": seed, "unknown": "job_not_found"}


def test_the_generated_python_client_awaits_a_job(document: Path, environment: dict[str, str], tmp_path: Path) -> None:
    if not GENERATOR.exists():
        pytest.skip("needs the generator of Python clients: make .local/python-client/.ready")
    package = tmp_path / "imagegen_client"
    generate = ["generate", "--path", str(document), "--meta", "none", "--output-path", str(package)]
    path = f"{GENERATOR}{os.pathsep}{os.environ['PATH']}"
    _run(str(GENERATOR / "openapi-python-client"), *generate, "--fail-on-warning", PATH=path)
    printed = _run(str(GENERATOR / "python"), str(CLIENTS / "submit_job.py"), PYTHONPATH=str(tmp_path), **environment)
    assert json.loads(printed) == expected(environment)


def test_the_generated_typescript_client_compiles_and_awaits_a_job(document: Path, environment: dict[str, str]) -> None:
    with node.project(CLIENTS / "submit_job.ts", CLIENTS / "tsconfig.json") as folder:
        (folder / "package.json").write_text('{"type": "module"}')
        node.run("openapi-typescript", str(document), "--output", "schema.d.ts", cwd=folder)
        node.run("tsc", cwd=folder)
        printed = node.run("node", "out/submit_job.js", cwd=folder, env=environment)
    assert json.loads(printed) == expected(environment)


@pytest.mark.parametrize("signed", [True, False])
def test_the_openai_sdk_reads_the_check_of_a_picture(stack: Endpoint, tmp_path: Path, signed: bool) -> None:
    if not GENERATOR.exists():
        pytest.skip("needs OpenAI's SDK: make .local/python-client/.ready")
    picture = pictures()["image/png"]
    file = tmp_path / "picture.png"
    file.write_bytes(credentials().sign(picture, "image/png", DEMO) if signed else picture)
    variables = {"BASE_URL": stack.base_url, "API_KEY": stack.api_key}
    read = json.loads(_run(str(GENERATOR / "python"), str(CLIENTS / "check_provenance.py"), str(file), **variables))
    found = (read["outcome"], read["validation_state"], read["issuer"], read["model"])
    assert found == (
        ("detected", "valid", ORGANIZATION, "demo") if signed else ("not_detected", "not_present", None, None)
    )
    assert (read["generated_at"] is not None) == signed


def _run(*command: str, **environment: str) -> str:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
