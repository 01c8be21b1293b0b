"""Content credentials through gateway, function and bucket: of a stack that signs, as the local one does."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
import requests
from PIL import Image

from imagegen.provenance.manifest import MediaType
from tests.e2e.conftest import small_request
from tests.support.credentials import active, manifests
from tests.support.openapi_contract import check_response
from tools.local.client import Client
from tools.local.endpoint import Endpoint

TYPES: list[MediaType] = ["image/png", "image/jpeg", "image/webp"]


def verify(stack: Endpoint, data: bytes) -> dict[str, Any]:
    response = requests.post(
        f"{stack.base_url}/verify",
        headers={"x-api-key": stack.api_key},
        files={"file": ("picture", data)},
        timeout=60,
        hooks={"response": check_response(stack.base_url)},
    )
    assert response.status_code == 200, response.text
    (result,) = response.json()["results"]
    return dict(result)


def signed_image(client: Client, **fields: Any) -> tuple[dict[str, Any], bytes]:
    """Return an image and its file. A deployment without a key signs nothing."""
    (image,) = client.generate(small_request(**fields))["images"]
    if not image["content_credentials"]:
        pytest.skip("this deployment has no key for content credentials")
    return image, client.download(image)


@pytest.mark.parametrize("media_type", TYPES)
def test_a_generated_picture_is_signed(client: Client, stack: Endpoint, media_type: MediaType) -> None:
    image, data = signed_image(client, output_format=media_type.removeprefix("image/"))
    assert image["content_type"] == media_type
    found = verify(stack, data)
    assert (found["outcome"], found["model"]) == ("detected", "demo")
    assert found["validation_state"] in ("valid", "trusted")
    assert found["generated_at"]


def test_a_cached_picture_is_the_one_that_was_signed(client: Client) -> None:
    request = small_request()
    first, again = client.generate(request), client.generate(request)
    assert again["cached"]
    assert again["images"][0]["sha256"] == first["images"][0]["sha256"]
    assert again["images"][0]["content_credentials"] == first["images"][0]["content_credentials"]


def test_an_edit_of_a_signed_picture_keeps_what_that_one_says(client: Client, stack: Endpoint) -> None:
    _, data = signed_image(client)
    _, edited = signed_image(client, image=base64.b64encode(data).decode(), strength=0.5)
    assert verify(stack, edited)["validation_state"] in ("valid", "trusted")
    assert len(manifests(edited, "image/png")["manifests"]) == 2
    (parent,) = active(edited, "image/png")["ingredients"]
    assert (parent["title"], parent["relationship"]) == ("input", "parentOf")


def test_a_job_signs_its_pictures(client: Client, stack: Endpoint) -> None:
    job = client.call("POST", "/jobs", small_request()).json()
    (image,) = client.wait_for_job(job["id"])["result"]["images"]
    if image["content_credentials"]:
        assert verify(stack, client.download(image))["validation_state"] in ("valid", "trusted")


def test_a_changed_and_a_resaved_picture(client: Client, stack: Endpoint) -> None:
    _, data = signed_image(client)
    flipped = bytearray(data)
    flipped[data.index(b"IDAT") + 200] ^= 1
    assert verify(stack, bytes(flipped))["validation_state"] == "invalid"
    saved = io.BytesIO()
    Image.open(io.BytesIO(data)).save(saved, "PNG")
    assert verify(stack, saved.getvalue())["validation_state"] == "not_present"
