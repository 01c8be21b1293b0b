"""Which callers of POST /generate get the picture itself, and in which format."""

from __future__ import annotations

from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from imagegen.api.picture import FORMATS, MAX_BYTES, MEDIA_TYPES, require_fit, wanted_format
from imagegen.errors import NotAcceptable, ResponseTooLarge
from imagegen.generation.image_file import CONTENT_TYPES
from imagegen.generation.request import GenerateRequest
from tests.support import plans

BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def wanted(accept: str | None, **fields: Any) -> str | None:
    headers = {} if accept is None else {"accept": accept}
    request = GenerateRequest.parse({"prompt": "a red circle", **fields})
    return wanted_format(APIGatewayProxyEvent({"headers": headers}), request)


def test_the_media_types_are_those_of_the_files() -> None:
    assert dict(zip(FORMATS, MEDIA_TYPES, strict=True)) == CONTENT_TYPES


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None), ("", None), ("*/*", None), ("application/json, text/plain, */*", None),
        ("application/json", None), ("application/problem+json", None), ("image/png;q=0, */*", None),
        ("application/json, image/png;q=0.9", None), ("text/html, */*;q=0.1", None),
        ("image/png", "png"), ("image/jpeg", "jpeg"), ("IMAGE/WEBP", "webp"), ("image/*", "png"), (BROWSER, "webp"),
        ("image/png, application/json", "png"), ("application/json, image/png", "png"),
        ("application/json;q=0.5, image/jpeg", "jpeg"), ("image/png, application/problem+json", "png"),
        ("image/webp;q=0.5, image/jpeg;q=0.6", "jpeg"), ("image/jpeg, image/png", "jpeg"),
        ("image/*, image/webp", "webp"), ("image/png;q=0, image/*", "jpeg"), ("image/gif, image/*;q=0.1", "png"),
        ("image/jpeg;q=0.1", "jpeg"), ("image/png; q=0.4, */*;q=0.3", "png"),
    ],
)  # fmt: skip
def test_accept_chooses_json_or_a_format(accept: str | None, expected: str | None) -> None:
    assert wanted(accept) == expected


@pytest.mark.parametrize(
    ("accept", "fields", "expected"),
    [
        ("image/*", {"output_format": "jpeg"}, "jpeg"),
        ("image/png", {"output_format": "png"}, "png"),
        ("image/png, image/webp;q=0.1", {"output_format": "webp"}, "webp"),
        ("image/png, */*;q=0.1", {"output_format": "webp"}, None),
        ("image/png, application/json;q=0.1", {"num_images_per_prompt": 2}, None),
        ("image/jpeg, image/webp;q=0.5", {"background": "transparent"}, "webp"),
        ("image/jpeg, */*;q=0.1", {"background": "transparent"}, None),
        ("image/jpeg", {"background": "transparent", "output_format": "jpeg"}, "jpeg"),
    ],
)
def test_the_request_limits_the_choice(accept: str, fields: dict[str, Any], expected: str | None) -> None:
    assert wanted(accept, **fields) == expected


@pytest.mark.parametrize(
    ("accept", "fields", "way_out"),
    [
        ("image/gif", {}, "application/json, image/png, image/jpeg, image/webp."),
        ("image/png;q=0", {}, "application/json, image/png, image/jpeg, image/webp."),
        ("image/png", {"output_format": "jpeg"}, "application/json, image/jpeg."),
        ("image/png", {"num_images_per_prompt": 2}, "num_images_per_prompt is 2."),
        ("image/jpeg", {"background": "transparent"}, "application/json, image/png, image/webp."),
    ],
)
def test_a_refusal_names_the_way_out(accept: str, fields: dict[str, Any], way_out: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        wanted(accept, **fields)
    assert way_out in caught.value.detail


@pytest.mark.parametrize(
    ("size", "fields", "fits"),
    [
        (1024, {}, True), (1208, {}, True), (1216, {}, False), (2048, {}, False),
        (1608, {"output_format": "jpeg"}, True), (1624, {"output_format": "jpeg"}, False),
        (1608, {"output_format": "webp", "output_quality": 100}, False),
    ],
)  # fmt: skip
def test_a_picture_must_fit_before_it_is_drawn(size: int, fields: dict[str, Any], fits: bool) -> None:
    spec = plans.sized(size, size, **fields)
    if fits:
        require_fit(spec)
    else:
        with pytest.raises(ResponseTooLarge, match=f"{size} x {size} pixels may have .* at most {MAX_BYTES:,}"):
            require_fit(spec)


def test_the_largest_picture_fits_into_a_lambda_response() -> None:
    assert (MAX_BYTES + 2) // 3 * 4 + 200_000 < 6 * 1024 * 1024


def test_an_enlarged_picture_must_fit() -> None:
    require_fit(plans.sized(512, 512, upscale=2))
    with pytest.raises(ResponseTooLarge, match="2048 x 2048 pixels"):
        require_fit(plans.sized(512, 512, upscale=4))
