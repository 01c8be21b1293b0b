"""The template's API over HTTP, with `sam local start-api`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
import requests

from tests.support.s3 import S3
from tests.support.sam import REQUEST_TIMEOUT_SECONDS, Sam

pytestmark = pytest.mark.container

REQUEST: dict[str, str | int] = {"prompt": "a small red circle on a white background", "seed": 7}


@pytest.fixture(scope="module")
def url(sam: Sam, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sam.start_api(tmp_path_factory.mktemp("api") / "log") as base_url:
        yield base_url


def generate(url: str, **changes: str) -> requests.Response:
    return requests.post(f"{url}/generate", json={**REQUEST, **changes}, timeout=REQUEST_TIMEOUT_SECONDS)


def test_an_image_is_stored_and_the_second_request_is_cached(url: str, s3: S3) -> None:
    first = generate(url).json()
    again = generate(url).json()

    assert first["status"] == "succeeded"
    assert first["cold_start"]
    assert not first["cached"]
    image = s3.get(first["image_url"])
    assert image.startswith(b"\x89PNG")
    assert hashlib.sha256(image).hexdigest() == first["images"][0]["sha256"]
    assert again["cached"]
    assert again["images"][0]["sha256"] == first["images"][0]["sha256"]


def test_a_wrong_method_is_405_with_an_allow_header(url: str) -> None:
    response = requests.get(f"{url}/generate", timeout=REQUEST_TIMEOUT_SECONDS)

    assert response.status_code == 405
    assert "POST" in response.headers["Allow"].split(", ")


def test_an_unknown_field_is_422(url: str) -> None:
    response = generate(url, colour="red")

    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] == "colour"


def test_health_is_served_by_the_api_function(url: str) -> None:
    assert requests.get(f"{url}/health", timeout=REQUEST_TIMEOUT_SECONDS).status_code == 200
