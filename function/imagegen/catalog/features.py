"""What a deployment offers beyond text to image. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

Feature = Literal["upscale", "transparent_background"]
FEATURES: Final[tuple[Feature, ...]] = get_args(Feature)


def features_of(engines: Sequence[str]) -> tuple[Feature, ...]:
    """Return the features of a deployment whose image includes `engines`.

    Upscaling and transparent backgrounds use networks in OpenVINO, whatever engine draws.
    """
    return FEATURES if "openvino" in engines else ()


def not_available(feature: Feature) -> str:
    """Return why a deployment does not have the feature, for the caller."""
    return (
        f"is not available here: the feature {feature} needs OpenVINO, which the deployment's image does not include. "
        "GET /models lists the features"
    )
