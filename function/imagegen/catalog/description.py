"""What a published version is: `version.json`, with its model's entry and the digests of its engines' manifests. Pure.

Its SHA-256 names the version, so nothing in it can change later.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, TypeVar, get_args

from imagegen.catalog.registry import SCHEDULERS, Defaults, Family, MemoryNeed, Model, ModelLimits
from imagegen.catalog.rollout import Release

NAME: Final = "version.json"
FORMAT: Final = 1
MAX_BYTES: Final = 64 * 1024
LARGEST_SIDE: Final = 4096
"""Pixels, the bound of `width` and `height` in every request. No limit of a model may be larger."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
T = TypeVar("T")


class InvalidDescription(ValueError):
    """Not a description of this format. The message names what is wrong."""


@dataclass(frozen=True)
class ManifestDigest:
    """The manifest of one engine's folder."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Description:
    """A published version: the entry that it is served with, and its manifests by engine."""

    model: Model
    manifests: Mapping[str, ManifestDigest]


def write(model: Model, manifests: Mapping[str, ManifestDigest]) -> bytes:
    """Return the description of a version of `model`, an entry of the registry.

    `harmless` is left out: what else is published under an id must be judged.
    """
    entry = {name: getattr(model, name) for name in ("id", "family", "weights")}
    parts = {name: asdict(getattr(model, name)) for name in ("defaults", "limits", "memory_mb")}
    made_from = {"source": model.source, "revision": model.revision}
    document = {
        "format": FORMAT,
        "model": {**entry, **parts, "schedulers": list(model.schedulers), "made_from": made_from},
        "engines": {engine: asdict(digest) for engine, digest in manifests.items()},
    }
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()


def release_of(model_id: str, body: bytes) -> Release:
    """Return the release whose description is `body`."""
    return Release(model_id, hashlib.sha256(body).hexdigest())


def read(body: bytes, release: Release) -> Description:
    """Return the description of a release. Raises InvalidDescription if it is another's, or not valid."""
    if hashlib.sha256(body).hexdigest() != release.digest:
        raise InvalidDescription("does not have the SHA-256 that names the version")
    try:
        document = json.loads(body)
        if document["format"] != FORMAT:
            raise InvalidDescription(f"is not of format {FORMAT}")
        entry, engines = document["model"], document["engines"]
        if entry["id"] != release.model_id:
            raise InvalidDescription("is of another model")
        return Description(_model(entry, release), {name: _digest(each) for name, each in engines.items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InvalidDescription):
            raise
        raise InvalidDescription("is not a description") from None


def _model(entry: Mapping[str, Any], release: Release) -> Model:
    model = Model(
        id=release.model_id,
        family=_one_of(entry["family"], get_args(Family), "family"),
        source="bucket",
        revision=release.digest,
        defaults=_record(Defaults, entry["defaults"]),
        limits=_record(ModelLimits, entry["limits"]),
        memory_mb=_record(MemoryNeed, entry["memory_mb"]),
        schedulers=tuple(entry["schedulers"]),
        weights=_one_of(entry["weights"], get_args(Literal["float16", "int8"]), "weights"),
    )
    _require(bool(model.schedulers) and set(model.schedulers) <= set(SCHEDULERS), "schedulers")
    _require_consistent(model)
    return model


def _require_consistent(model: Model) -> None:
    """Raise InvalidDescription unless the defaults are within the limits, and those within what requests may have."""
    defaults, limits = model.defaults, model.limits
    _require(8 <= limits.min_size <= limits.max_size <= LARGEST_SIDE, "limits")
    _require(limits.min_size % 8 == limits.max_size % 8 == 0, "limits")
    for side in (defaults.width, defaults.height):
        _require(limits.min_size <= side <= limits.max_size and side % 8 == 0, "defaults")
    _require(1 <= defaults.num_inference_steps <= limits.max_steps <= 150, "num_inference_steps")
    _require(1 <= limits.max_images <= 8, "max_images")
    _require(0 <= defaults.guidance_scale <= 30, "guidance_scale")
    _require(defaults.scheduler in model.schedulers, "scheduler")
    _require(min(model.memory_mb.float32, model.memory_mb.half) > 0, "memory_mb")


def _digest(entry: Any) -> ManifestDigest:
    digest = _record(ManifestDigest, entry)
    _require(digest.bytes > 0 and _SHA256.fullmatch(digest.sha256) is not None, "a manifest's digest")
    return digest


def _record(kind: type[T], values: Any) -> T:
    """Return a dataclass of numbers and strings from JSON. Raises InvalidDescription for values of another type."""
    types = {each.name: str(each.type) for each in fields(kind)}  # type: ignore[arg-type]
    _require(isinstance(values, dict) and values.keys() <= types.keys(), kind.__name__)
    for name, value in values.items():
        accepted: tuple[type, ...] = {"int": (int,), "float": (int, float), "str": (str,)}[types[name]]
        _require(isinstance(value, accepted) and not isinstance(value, bool), name)
    return kind(**values)


def _one_of(value: Any, allowed: tuple[Any, ...], name: str) -> Any:
    _require(value in allowed, name)
    return value


def _require(holds: bool, name: str) -> None:
    if not holds:
        raise InvalidDescription(f"has an invalid value: {name}")
