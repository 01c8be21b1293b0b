"""What GET /models shows of versions."""

from __future__ import annotations

from dataclasses import replace

from imagegen.api.resources import ModelList
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.ports import OnOffer
from imagegen.catalog.registry import REGISTRY

DEMO = REGISTRY["demo"]
LATER = replace(DEMO, source="bucket", revision="a" * 64, limits=replace(DEMO.limits, max_steps=7))
TURBO = replace(REGISTRY["sd-turbo"], source="bucket", revision="b" * 64)


def test_a_deployment_without_a_rollout_has_one_version_of_each_model() -> None:
    offer = ImageModels({"sd-turbo": REGISTRY["sd-turbo"], "demo": DEMO}, "sd-turbo").on_offer()
    listed = ModelList.of(offer, "openvino", [])
    assert (listed.default, listed.default_version, listed.aliases) == ("sd-turbo", "sd-turbo@b261bac6fd2c", {})
    assert [each.id for each in listed.models] == ["sd-turbo", "demo"]
    demo = listed.models[1]
    assert (demo.version, demo.revision) == ("demo@6cc6991b014f", "6cc6991b014f")
    assert [(each.version, each.source) for each in demo.versions] == [("demo@6cc6991b014f", "image")]


def test_a_model_has_the_limits_of_its_current_version_and_all_its_versions() -> None:
    offer = OnOffer(LATER, (DEMO, LATER, TURBO), {"demo": LATER}, {"stable": DEMO})
    listed = ModelList.of(offer, "openvino", [])
    assert (listed.default, listed.default_version) == ("demo", "demo@aaaaaaaaaaaa")
    assert listed.aliases == {"stable": "demo@6cc6991b014f"}
    demo, turbo = listed.models
    assert (demo.version, demo.limits.max_steps) == ("demo@aaaaaaaaaaaa", 7)
    assert [(each.version, each.source) for each in demo.versions] == [
        ("demo@6cc6991b014f", "image"),
        ("demo@aaaaaaaaaaaa", "bucket"),
    ]
    assert turbo.version == "sd-turbo@bbbbbbbbbbbb"
