"""The picture itself as the response of POST /generate: when a caller gets it, and how.

Covered: one image, of at most MAX_BYTES whatever it shows, which is known before it is drawn. Not covered: several
images, and work that becomes a job; the response is then JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, get_args

from aws_lambda_powertools.event_handler import Response

from imagegen.api.headers import json_weight, media_ranges
from imagegen.api.problem import JSON
from imagegen.errors import NotAcceptable, ResponseTooLarge
from imagegen.generation.file_size import largest_file
from imagegen.generation.planner import FORMATS_WITH_ALPHA
from imagegen.generation.request import GenerateRequest, OutputFormat
from imagegen.generation.result import Result

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

    from imagegen.generation.ports import ImageStore
    from imagegen.generation.spec import GenerationSpec

MAX_BYTES: Final = 4_500_000
"""Of a picture: a Lambda function returns at most 6 MB, and the gateway takes pictures in base64."""
FORMATS: Final[tuple[OutputFormat, ...]] = get_args(OutputFormat)
MEDIA_TYPES: Final[tuple[str, ...]] = tuple(f"image/{each}" for each in FORMATS)


def wanted_format(event: APIGatewayProxyEvent, request: GenerateRequest) -> OutputFormat | None:
    """Return the format of the picture that the caller wants as the response; None for JSON.

    The caller wants a picture if Accept names its type, or `image/*`, with at least the weight of JSON; `*/*` alone
    means JSON. Of several types, the weight decides, then a named type comes before `image/*`, then the order in
    Accept. Raises NotAcceptable.
    """
    formats = _possible(request)
    json, (picture, wanted) = json_weight(event), _preferred(list(media_ranges(event)), formats)
    if picture > 0 and picture >= json:
        return wanted
    if json == 0:
        raise NotAcceptable(_acceptable(request, formats))
    return None


def _possible(request: GenerateRequest) -> tuple[OutputFormat, ...]:
    """Return the formats that a picture of this request can have: that of `output_format`, or any that can show it."""
    if request.num_images_per_prompt > 1:
        return ()
    if "output_format" in request.model_fields_set:
        return (request.output_format,)
    return FORMATS_WITH_ALPHA if request.background == "transparent" else FORMATS


def _preferred(
    ranges: Sequence[tuple[str, float]], formats: Sequence[OutputFormat]
) -> tuple[float, OutputFormat | None]:
    """Return the weight of the format that the caller prefers, and the format; 0 and None without any."""
    names, weights = [media for media, _ in ranges], dict(ranges)
    choices: list[tuple[float, bool, int, OutputFormat]] = []
    for each in formats:
        named = f"image/{each}" in weights
        media = f"image/{each}" if named else "image/*"
        if media in weights:
            choices.append((weights[media], named, -names.index(media), each))
    best = max(choices, key=lambda choice: choice[:3], default=None)
    return (best[0], best[3]) if best else (0.0, None)


def _acceptable(request: GenerateRequest, formats: Sequence[OutputFormat]) -> str:
    types = ", ".join([JSON, *(f"image/{each}" for each in formats)])
    why = "" if formats else f" A picture is one image; num_images_per_prompt is {request.num_images_per_prompt}."
    return f"This route responds to this request with {types}. Accept one of them, or omit the Accept header.{why}"


def require_fit(spec: GenerationSpec) -> None:
    """Raise ResponseTooLarge unless every picture of `spec` can be returned, whatever it shows."""
    largest = largest_file(spec)
    if largest > MAX_BYTES:
        width, height = spec.output_size
        raise ResponseTooLarge(
            f"A {spec.output_format} of {width} x {height} pixels may have {largest:,} bytes, and a response "
            f"has at most {MAX_BYTES:,}. Accept {JSON}, which has the picture's URL, or ask for a smaller or lossy one."
        )


def picture_response(result: Result, store: ImageStore, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Return 200 with the result's picture, and what JSON would say about it in headers. Raises StorageUnavailable."""
    (image,) = result.images
    about = {
        "Content-Disposition": f'inline; filename="{image.key.rpartition("/")[2]}"',
        "Image-Id": result.id,
        "Image-Seed": str(image.seed),
        "Image-Cost-Usd": f"{result.cost.usd:.8f}",
        "Image-Cached": str(result.cached).lower(),
    }
    if result.warnings:
        about["Image-Warnings"] = ", ".join(warning.partition(":")[0] for warning in result.warnings)
    return Response(200, image.content_type, store.read(image.key), headers=about | dict(headers or {}))
