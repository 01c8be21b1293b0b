"""The template's API over HTTP, with `sam local start-api`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.support.s3 import S3
from tests.support.sam import REQUEST_TIMEOUT_SECONDS, Sam

pytestmark = pytest.mark.container

Generate = Callable[..., requests.Response]
REQUEST: dict[str, str | int] = {"prompt": "a small red circle on a white background", "seed": 7}


@pytest.fixture(scope="module")
def url(sam: Sam, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sam.start_api(tmp_path_factory.mktemp("api") / "log") as base_url:
        yield base_url


@pytest.fixture
def generate(url: str, api_key: str) -> Generate:
    """Sends POST /generate with a key, which API Gateway needs and `sam local` ignores."""

    def send(**changes: str) -> requests.Response:
        headers = {"x-api-key": api_key}
        body = {**REQUEST, **changes}
        return requests.post(f"{url}/generate", json=body, headers=headers, timeout=REQUEST_TIMEOUT_SECONDS)

    return send


def test_an_image_is_stored_and_the_second_request_is_cached(generate: Generate, s3: S3) -> None:
    first = generate().json()
    again = generate().json()

    assert first["status"] == "succeeded"
    assert first["cold_start"]
    assert not first["cached"]
    image = s3.get(first["image_url"])
    assert image.startswith(b"\x89PNG")
    assert hashlib.sha256(image).hexdigest() == first["images"][0]["sha256"]
    assert again["cached"]
    assert again["images"][0]["sha256"] == first["images"][0]["sha256"]


def test_a_wrong_method_is_405_with_an_allow_header(url: str, api_key: str) -> None:
    response = requests.get(f"{url}/generate", headers={"x-api-key": api_key}, timeout=REQUEST_TIMEOUT_SECONDS)

    assert response.status_code == 405
    assert "POST" in response.headers["Allow"].split(", ")


def test_without_an_authorizer_a_request_is_the_local_callers(url: str) -> None:
    """`sam local` does not find the authorizer by its alias. Without one, only AWS_SAM_LOCAL opens a route."""
    response = requests.post(f"{url}/generate", json=REQUEST, timeout=REQUEST_TIMEOUT_SECONDS)

    assert response.status_code == 200


def test_an_unknown_field_is_422(generate: Generate) -> None:
    response = generate(colour="red")

    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] == "colour"


def test_health_is_served_by_the_api_function(url: str) -> None:
    assert requests.get(f"{url}/health", timeout=REQUEST_TIMEOUT_SECONDS).status_code == 200
