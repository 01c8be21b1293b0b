"""The description of a published version."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagegen.catalog import description
from imagegen.catalog.description import InvalidDescription, ManifestDigest
from imagegen.catalog.registry import REGISTRY, Model
from imagegen.catalog.rollout import Release

MANIFESTS = {"openvino": ManifestDigest(1234, "c" * 64)}


@pytest.mark.parametrize("model", REGISTRY.values(), ids=lambda model: model.id)
def test_every_model_of_the_registry_can_be_published(model: Model) -> None:
    body = description.write(model, MANIFESTS)
    release = description.release_of(model.id, body)
    found = description.read(body, release)
    assert found.manifests == MANIFESTS
    expected = replace(model, source="bucket", revision=release.digest, decoder=None, harmless=False)
    assert found.model == expected
    assert found.model.version == release.version


def test_a_description_that_was_changed_is_not_that_of_the_version() -> None:
    body = description.write(REGISTRY["demo"], MANIFESTS)
    release = description.release_of("demo", body)
    for other in (body + b" ", body.replace(b"1234", b"1235"), b"", body[:-2]):
        with pytest.raises(InvalidDescription, match="SHA-256"):
            description.read(other, release)
    with pytest.raises(InvalidDescription, match="another model"):
        description.read(body, Release("sd-turbo", release.digest))


def _in(part: str, name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["model"][part].__setitem__(name, value)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("format"),
        lambda document: document.update(format=2),
        lambda document: document.pop("model"),
        lambda document: document.update(model=[]),
        lambda document: document.update(engines=[]),
        lambda document: document.update(engines={"openvino": {"bytes": -1, "sha256": "c" * 64}}),
        lambda document: document.update(engines={"openvino": {"bytes": True, "sha256": "c" * 64}}),
        lambda document: document.update(engines={"openvino": {"bytes": 1, "sha256": "c" * 63}}),
        lambda document: document["model"].update(family="flux"),
        lambda document: document["model"].update(weights="int4"),
        lambda document: document["model"].update(schedulers=[]),
        lambda document: document["model"].update(schedulers=["ddim", "none"]),
        lambda document: document["model"].pop("memory_mb"),
        _in("defaults", "width", 130),
        _in("defaults", "width", 1024),
        _in("defaults", "width", "128"),
        _in("defaults", "height", None),
        _in("defaults", "num_inference_steps", 0),
        _in("defaults", "num_inference_steps", 1000),
        _in("defaults", "guidance_scale", -1.0),
        _in("defaults", "guidance_scale", float("nan")),
        _in("defaults", "scheduler", "lcm"),
        _in("limits", "min_size", 0),
        _in("limits", "max_size", 1_000_000),
        _in("limits", "max_size", 8),
        _in("limits", "max_steps", 10_000),
        _in("limits", "max_images", 9),
        _in("limits", "unknown", 1),
        _in("memory_mb", "half", 0),
        _in("memory_mb", "half", True),
    ],
)
def test_values_that_no_model_may_have_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(description.write(REGISTRY["demo"], MANIFESTS))
    change(document)
    body = json.dumps(document).encode()
    with pytest.raises(InvalidDescription):
        description.read(body, description.release_of("demo", body))


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_whatever_is_no_description_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidDescription):
        description.read(body, description.release_of("demo", body))


def test_a_published_version_is_never_harmless() -> None:
    """Weights of any kind can be published under the id of the demo model."""
    assert REGISTRY["demo"].harmless
    document = json.loads(description.write(REGISTRY["demo"], MANIFESTS))
    document["model"]["harmless"] = True
    body = json.dumps(document).encode()
    assert not description.read(body, description.release_of("demo", body)).model.harmless
