"""What a deployment offers beyond text to image. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

Feature = Literal["upscale", "transparent_background"]
FEATURES: Final[tuple[Feature, ...]] = get_args(Feature)
NEEDS_OPENVINO: Final = "the engine openvino is not in its image (ENGINES)"


def features_of(engines: Sequence[str]) -> tuple[Feature, ...]:
    """Return the features of a deployment whose image includes `engines`.

    Upscaling and transparent backgrounds use networks in OpenVINO, whatever engine draws.
    """
    return FEATURES if "openvino" in engines else ()
