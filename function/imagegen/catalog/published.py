"""Published versions: their descriptions and manifests, verified, and whether this deployment can run them.

Covered: whatever an object of the bucket may contain, be it damaged, of another version, or made to harm. Not covered:
the contents of weights, which are verified when they are downloaded (model_store.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from imagegen.catalog import description, manifest
from imagegen.catalog.description import Description, InvalidDescription
from imagegen.catalog.ports import ModelObjects
from imagegen.catalog.registry import Model
from imagegen.catalog.rollout import Release, prefix_of
from imagegen.errors import ModelUnavailable

MAX_MANIFEST_BYTES: Final = 1024 * 1024
_SHA256_DIGITS: Final = 64


@dataclass(frozen=True)
class PublishedFiles:
    """One engine's folder of a version: the manifest as it is stored, and the size of every file, without its own."""

    body: bytes
    sizes: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """The size of the folder."""
        return len(self.body) + sum(self.sizes.values())


def never(_model: Model) -> str:
    """Return no reason to refuse a model."""
    return ""


@dataclass(frozen=True)
class PublishedVersions:
    """The versions in the bucket, for one engine. What has verified is kept: a version is never changed on purpose."""

    objects: ModelObjects
    engine: str
    largest_bytes: int
    """A larger version does not fit this function's disk."""
    refusal: Callable[[Model], str] = never
    """Why this deployment cannot run a model; empty if it can."""
    _verified: dict[Release, tuple[Model, PublishedFiles]] = field(default_factory=dict, repr=False)

    def model(self, release: Release) -> Model:
        """Return the version's model. Raises ModelUnavailable if it cannot be run here, or StorageUnavailable."""
        return self._read(release)[0]

    def files(self, release: Release) -> PublishedFiles:
        """Return the version's files for the engine. Raises what `model` raises."""
        return self._read(release)[1]

    def has_verified(self, release: Release) -> bool:
        """Return whether `model` answers without the bucket."""
        return release in self._verified

    def forget(self, release: Release) -> None:
        """Verify the version again when it is next needed."""
        self._verified.pop(release, None)

    def is_stored(self, version: str) -> bool:
        """Return whether a version with this name was published, on offer or not. Raises StorageUnavailable."""
        model_id, _, digits = version.partition("@")
        return self.objects.read(f"{prefix_of(model_id, digits)}{description.NAME}", 0) is not None

    def _read(self, release: Release) -> tuple[Model, PublishedFiles]:
        known = self._verified.get(release)  # once: another thread may forget it
        if known is None:
            found = self._description(release)
            if reason := self.refusal(found.model):
                raise ModelUnavailable.because(release.version, reason)
            files = self._files(release, found)
            self._require_objects(release, files)
            known = self._verified[release] = found.model, files
        return known

    def _description(self, release: Release) -> Description:
        key = release.prefix + description.NAME
        try:
            return description.read(self._object(key, description.MAX_BYTES), release)
        except InvalidDescription as error:
            raise ModelUnavailable.because(key, str(error)) from None

    def _files(self, release: Release, found: Description) -> PublishedFiles:
        digest = found.manifests.get(self.engine)
        if digest is None:
            raise ModelUnavailable.because(release.version, f"was not published for {self.engine}")
        key = f"{release.prefix}{self.engine}/{manifest.NAME}"
        body = self._object(key, MAX_MANIFEST_BYTES)
        if hashlib.sha256(body).hexdigest() != digest.sha256:
            raise ModelUnavailable.because(key, "does not have the SHA-256 that the version names")
        files = PublishedFiles(body, _sizes(body, key))
        if files.bytes > self.largest_bytes:
            limit = f"{files.bytes:,} bytes; {self.largest_bytes:,} fit here"
            raise ModelUnavailable.because(key, f"lists {limit}: raise EphemeralStorage")
        return files

    def _require_objects(self, release: Release, files: PublishedFiles) -> None:
        folder = f"{release.prefix}{self.engine}/"
        stored = self.objects.sizes(folder)
        for name, size in files.sizes.items():
            if stored.get(folder + name) != size:
                raise ModelUnavailable.because(folder + name, f"does not have the {size} bytes that the manifest lists")

    def _object(self, key: str, most: int) -> bytes:
        body = self.objects.read(key, most)
        if body is None:
            raise ModelUnavailable.because(key, "is missing")
        if len(body) > most:
            raise ModelUnavailable.because(key, f"has more than {most} bytes")
        return body


def _sizes(body: bytes, key: str) -> dict[str, int]:
    """Return the bytes of each file in a manifest. Raises ModelUnavailable, also for names that leave the folder."""
    try:
        files = json.loads(body)["files"]
        sizes = {name: _size(entry) for name, entry in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelUnavailable.because(key, "is not a manifest") from None
    if not sizes:
        raise ModelUnavailable.because(key, "lists no file")
    for name in sizes:
        if not _is_inside(name):
            raise ModelUnavailable.because(key, "lists a name that is no file of the folder")
    return sizes


def _size(entry: Any) -> int:
    size, digest = entry["bytes"], entry["sha256"]
    if type(size) is not int or size < 0 or not isinstance(digest, str) or len(digest) != _SHA256_DIGITS:
        raise ValueError
    return size


def _is_inside(name: str) -> bool:
    """Return whether a name is a relative path in its only spelling, of a suffix that an engine reads."""
    path = PurePosixPath(name)
    plain = name.isprintable() and "\\" not in name and str(path) == name and len(name) <= 256
    inside = not path.is_absolute() and ".." not in path.parts and name != manifest.NAME
    return plain and inside and path.suffix in manifest.LISTED
