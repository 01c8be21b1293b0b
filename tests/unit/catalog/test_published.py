"""Whether a published version verifies, and can be run here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagegen.catalog import description, manifest
from imagegen.catalog.published import PublishedVersions
from imagegen.catalog.registry import REGISTRY
from imagegen.catalog.rollout import Release
from imagegen.errors import ModelUnavailable, StorageUnavailable
from tests.support.published import ENGINE, MemoryObjects, folder_of, publish

PLENTY = 10**9


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture
def release(objects: MemoryObjects, tmp_path: Path) -> Release:
    return publish(objects, folder_of(tmp_path, "a"))


def versions(objects: MemoryObjects, engine: str = ENGINE, largest: int = PLENTY) -> PublishedVersions:
    return PublishedVersions(objects, engine, largest)


def refused(found: PublishedVersions, release: Release) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        found.model(release)
    assert release.digest not in caught.value.detail
    return caught.value.private


def test_a_version_has_its_own_model_and_is_read_once(objects: MemoryObjects, release: Release) -> None:
    found = versions(objects)
    model = found.model(release)
    assert (model.id, model.revision, model.version) == ("demo", release.digest, release.version)
    assert model.defaults == REGISTRY["demo"].defaults
    assert found.files(release).sizes == {"model_index.json": 17, "unet/openvino_model.bin": 1000}
    assert len(objects.reads) == 2


@pytest.mark.parametrize("name", [description.NAME, f"{ENGINE}/manifest.json"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: None, "is missing"),
        (lambda body: body[:-1], "SHA-256"),
        (lambda body: body + b" ", "SHA-256"),
        (lambda _: b"", "SHA-256"),
        (lambda body: body * 5000, "bytes"),
    ],
)
def test_a_damaged_description_or_manifest_is_refused(
    objects: MemoryObjects, release: Release, name: str, damage: Callable[[bytes], bytes | None], reason: str
) -> None:
    key = release.prefix + name
    damaged = damage(objects.bodies.pop(key))
    if damaged is not None:
        objects.bodies[key] = damaged
    cause = refused(versions(objects), release)
    assert cause.startswith(key)
    assert reason in cause


@pytest.mark.parametrize("damage", [lambda _: None, lambda body: body[:-1], lambda body: body + b"x"])
def test_a_missing_or_cut_off_file_is_refused(
    objects: MemoryObjects, release: Release, damage: Callable[[bytes], bytes | None]
) -> None:
    key = f"{release.prefix}{ENGINE}/unet/openvino_model.bin"
    damaged = damage(objects.bodies.pop(key))
    if damaged is not None:
        objects.bodies[key] = damaged
    assert refused(versions(objects), release).startswith(key)


def _file(name: str, **changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["files"].update({name: {"bytes": 1, "sha256": "a" * 64, **changes}})


@pytest.mark.parametrize(
    "change",
    [
        *(_file(name) for name in ("../a.json", "/a.json", "a/../b.json", "a//b.json", "./a.json", "a\\b.json", "")),
        *(_file(name) for name in ("a\x00.json", "a\n.json", "a" * 300 + ".json", "manifest.json", "run.py", "a.pkl")),
        *(_file("a.json", bytes=size) for size in (-1, 1.5, True, "1", None)),
        *(_file("a.json", sha256=digest) for digest in (None, 7, "", "a" * 63)),
        lambda document: document.update(files={}),
        lambda document: document.update(files=[]),
        lambda document: document.update(files={"a.json": None}),
        lambda document: document.pop("files"),
    ],
)
def test_a_manifest_that_verifies_and_is_made_to_harm_is_refused(
    objects: MemoryObjects, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    folder = folder_of(tmp_path, "a")
    document = json.loads((folder / manifest.NAME).read_text())
    change(document)
    (folder / manifest.NAME).write_text(json.dumps(document))
    assert "manifest.json" in refused(versions(objects), publish(objects, folder))


def test_a_version_for_another_engine_or_too_large_a_one_is_refused(objects: MemoryObjects, release: Release) -> None:
    assert "torch" in refused(versions(objects, engine="torch"), release)
    size = versions(objects).files(release).bytes
    assert versions(objects, largest=size).model(release)
    assert "EphemeralStorage" in refused(versions(objects, largest=size - 1), release)


def test_the_deployments_reason_to_refuse_a_model_counts(objects: MemoryObjects, release: Release) -> None:
    found = PublishedVersions(objects, ENGINE, PLENTY, lambda model: f"needs {model.memory_mb.half} MB")
    assert refused(found, release) == f"{release.version} needs 800 MB"


def test_an_unreachable_bucket_is_no_damage(objects: MemoryObjects, release: Release) -> None:
    found, objects.failing = versions(objects), True
    with pytest.raises(StorageUnavailable):
        found.model(release)
    objects.failing = False
    assert found.model(release)
