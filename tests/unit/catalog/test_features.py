"""What a deployment offers beyond text to image."""

from __future__ import annotations

import pytest

from imagegen.catalog.features import Feature, features_of

EDITING: tuple[Feature, ...] = ("image_to_image", "inpainting")
FINISHING: tuple[Feature, ...] = ("upscale", "transparent_background")


@pytest.mark.parametrize(
    ("engines", "features"),
    [
        (["torch"], EDITING),
        (["openvino"], EDITING + FINISHING),
        (["torch", "openvino"], EDITING + FINISHING),
    ],
)
def test_every_engine_edits_and_only_openvino_has_the_networks_that_finish(
    engines: list[str], features: tuple[Feature, ...]
) -> None:
    assert features_of(engines) == features
