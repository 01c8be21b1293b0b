"""What a deployment offers beyond text to image. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

Feature = Literal["image_to_image", "inpainting", "upscale", "transparent_background"]
FEATURES: Final[tuple[Feature, ...]] = get_args(Feature)
IN_OPENVINO: Final[tuple[Feature, ...]] = ("upscale", "transparent_background")
"""They use networks in OpenVINO, whatever engine draws."""


def features_of(engines: Sequence[str]) -> tuple[Feature, ...]:
    """Return the features of a deployment whose image includes `engines`.

    Every model can edit pictures: both engines' prepared folders have an encoder of images.
    """
    return tuple(each for each in FEATURES if each not in IN_OPENVINO or "openvino" in engines)


def not_available(feature: Feature) -> str:
    """Return why a deployment does not have one of IN_OPENVINO, for the caller."""
    return (
        f"is not available here: the feature {feature} needs OpenVINO, which the deployment's image does not include. "
        "GET /models lists the features"
    )
