"""POST /uploads over HTTP, and its form in the local bucket, which does not check the policy."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.openapi_contract import check_response
from tests.support.pictures import file, noise
from tools.local.endpoint import Endpoint


@pytest.fixture
def form(stack: Endpoint) -> dict[str, Any]:
    response = requests.post(
        f"{stack.base_url}/uploads",
        json={"content_type": "image/png"},
        headers={"x-api-key": stack.api_key},
        hooks={"response": check_response(stack.base_url)},
        timeout=60,
    )
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


def test_the_documented_request_of_python(form: dict[str, Any]) -> None:
    response = requests.post(form["url"], data=form["fields"], files={"file": file(noise(), "PNG")}, timeout=60)
    assert response.status_code == 204


def test_a_page_of_another_origin_may_send_the_form_and_read_the_answer(form: dict[str, Any]) -> None:
    """A form is a simple request (Fetch): no preflight asks first, but without the header the page sees no status."""
    headers = {"Origin": "https://app.example.com"}
    picture = {"file": file(noise(), "PNG")}
    response = requests.post(form["url"], data=form["fields"], files=picture, headers=headers, timeout=60)
    assert response.headers["access-control-allow-origin"] in ("*", headers["Origin"])


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_documented_request_of_curl(form: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(file(noise(), "PNG"))
    fields = "".join(f'form-string = "{name}={value}"\n' for name, value in form["fields"].items())
    command = ["curl", "-sS", "-K", "-", "-F", "file=@photo.png", "-w", "%{http_code}", form["url"]]
    sent = subprocess.run(command, input=fields, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sent.stdout == "204"


@pytest.mark.parametrize("size", [1_100_000, 3_300_000, 3_450_000, 4_400_000])
def test_a_picture_in_a_body_up_to_the_limit_and_above_it(stack: Endpoint, size: int) -> None:
    """Up to 3.3 MB the request is read; above, it is 413, which names the way out. The field does not exist yet."""
    body = json.dumps({"prompt": "a red circle", "picture": base64.b64encode(b"\0" * size).decode()})
    headers = {"x-api-key": stack.api_key, "content-type": "application/json"}
    response = requests.post(f"{stack.base_url}/generate", data=body, headers=headers, timeout=60)
    if size <= 3_300_000:
        assert (response.status_code, response.json()["code"]) == (422, "unknown_field")
    else:
        assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")
        assert "POST /uploads" in response.json()["detail"]
