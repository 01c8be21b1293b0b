"""Published versions in a bucket that is a dictionary, from folders of real files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imagegen.catalog import description, manifest
from imagegen.catalog.description import ManifestDigest
from imagegen.catalog.registry import REGISTRY, Model
from imagegen.catalog.rollout import Release
from imagegen.errors import StorageUnavailable

ENGINE = "openvino"


@dataclass
class MemoryObjects:
    """Implements catalog.ports.ModelObjects."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    failing: bool = False
    before_failing: Callable[[], None] = lambda: None
    reads: list[str] = field(default_factory=list)
    ranges: list[tuple[str, int, int]] = field(default_factory=list)

    def read(self, key: str, most: int) -> bytes | None:
        self._fail()
        self.reads.append(key)
        body = self.bodies.get(key)
        return None if body is None else body[: most + 1]

    def sizes(self, prefix: str) -> dict[str, int]:
        self._fail()
        return {key: len(body) for key, body in self.bodies.items() if key.startswith(prefix)}

    def read_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        self._fail()
        self.ranges.append((key, start, length))
        yield self.bodies[key][start : start + length]

    def _fail(self) -> None:
        if self.failing:
            self.before_failing()
            raise StorageUnavailable(private="S3: EndpointConnectionError")


def folder_of(root: Path, text: str, size: int = 1000, **files: bytes) -> Path:
    """Write and return a folder with a manifest; `text` makes it different from others, `size` is its larger file's."""
    contents = {
        "model_index.json": b'{"made_for": "%s"}' % text.encode(),
        "unet/openvino_model.bin": (text.encode() * size)[:size],
        **files,
    }
    for name, body in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)
    manifest.write(root)
    return root


def publish(objects: MemoryObjects, folder: Path, model: Model = REGISTRY["demo"], **changes: Any) -> Release:
    """Store a folder as a version of `model`, with `changes` to its entry."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    body = files[manifest.NAME]
    digest = ManifestDigest(len(body), hashlib.sha256(body).hexdigest())
    described = description.write(replace(model, **changes), {ENGINE: digest})
    release = description.release_of(model.id, described)
    objects.bodies[release.prefix + description.NAME] = described
    objects.bodies |= {f"{release.prefix}{ENGINE}/{name}": each for name, each in files.items()}
    return release
