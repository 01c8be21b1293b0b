"""What an operator offers and which version is the default: one small JSON document. Pure.

Covered: a document that is no rollout, or not of this format. Not covered: whether a version exists and verifies; that
is for whoever uses it (current_models.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from imagegen.catalog.registry import REGISTRY, VERSION_DIGITS

FORMAT: Final = 1
MAX_CHARACTERS: Final = 4096
"""Of a standard parameter of SSM, which is free; about 40 versions."""
_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
_ALIAS: Final = re.compile(_NAME)
_RELEASE: Final = re.compile(rf"({_NAME})@([0-9a-f]{{64}})")
_VERSION: Final = re.compile(rf"{_NAME}@[0-9a-f]{{{VERSION_DIGITS}}}")
_FIELDS: Final = {"format", "default", "previous", "aliases", "versions"}


class InvalidRollout(ValueError):
    """Not a rollout of this format. `reason` contains no value of the document."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Release:
    """A published version: the model's id, and the SHA-256, in hex, of its description."""

    model_id: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> Release:
        """Return the release that `str` wrote. Raises InvalidRollout."""
        found = _RELEASE.fullmatch(text)
        if found is None:
            raise InvalidRollout("a version is not <id>@<64 hex digits>")
        return cls(found[1], found[2])

    def __str__(self) -> str:
        return f"{self.model_id}@{self.digest}"

    @property
    def version(self) -> str:
        """The name of the version, as in a request: Model.version of its model."""
        return f"{self.model_id}@{self.digest[:VERSION_DIGITS]}"

    @property
    def prefix(self) -> str:
        """What the keys of its objects begin with."""
        return prefix_of(self.model_id, self.digest[:VERSION_DIGITS])


def prefix_of(model_id: str, digits: str) -> str:
    """Return what the keys of a version's objects begin with, from the two parts of its name."""
    return f"models/{model_id}/{digits}/"


@dataclass(frozen=True)
class Rollout:
    """The versions on offer beside those of the image, and what names mean. Versions in it may be the image's."""

    default: str = ""
    """Version of a request that names no model. Empty: the image's default."""
    previous: str = ""
    """The default before this one, and what `back` returns to. Empty: the image's."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Versions by alias. An alias may be a model's id: what a request gets that names it."""
    releases: tuple[Release, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Rollout:
        """Return the rollout that `dump` wrote. Raises InvalidRollout."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise InvalidRollout("it is not JSON") from None
        if not isinstance(document, dict) or not document.keys() <= _FIELDS:
            raise InvalidRollout(f"it is not an object of {', '.join(sorted(_FIELDS))}")
        if document.get("format") != FORMAT:
            raise InvalidRollout(f"its format is not {FORMAT}")
        releases = tuple(map(Release.parse, _strings(document.get("versions", []), "versions")))
        if len({each.version for each in releases}) != len(releases):
            raise InvalidRollout("a version is listed twice")
        default, previous = (_version(document.get(name, ""), name, empty=True) for name in ("default", "previous"))
        return cls(default, previous, _aliases(document.get("aliases", {})), releases)

    def dump(self) -> str:
        """Return the document. Raises InvalidRollout if it is too long to be stored."""
        document: dict[str, Any] = {"format": FORMAT, "default": self.default, "previous": self.previous}
        document |= {"aliases": dict(self.aliases), "versions": [str(each) for each in self.releases]}
        text = json.dumps(document, separators=(",", ":"))
        if len(text) > MAX_CHARACTERS:
            raise InvalidRollout(f"it has {len(text):,} characters; {MAX_CHARACTERS:,} can be stored: retire a version")
        return text

    @property
    def meant(self) -> set[str]:
        """The versions that the default and the aliases mean."""
        return {self.default, *self.aliases.values()}

    def release(self, version: str) -> Release | None:
        """Return the release with this name, if it is on offer."""
        return next((each for each in self.releases if each.version == version), None)

    def offering(self, release: Release) -> Rollout:
        """Return the rollout with another version on offer. What names mean stays."""
        return self if release in self.releases else replace(self, releases=(*self.releases, release))

    def switched(self, default: str) -> Rollout:
        """Return the rollout with this default, which remembers the one until now."""
        return self if default == self.default else replace(self, default=default, previous=self.default)


def _strings(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidRollout(f"{name} is not a list of strings")
    return value


def _version(value: object, name: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (_VERSION.fullmatch(value) or (empty and not value)):
        raise InvalidRollout(f"{name} is not <id>@<{VERSION_DIGITS} hex digits>")
    return value


def _aliases(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(_ALIAS.fullmatch(name) for name in value):
        raise InvalidRollout("aliases is not an object whose names are lower-case ids")
    aliases = {name: _version(target, "an alias") for name, target in value.items()}
    if "default" in aliases:
        raise InvalidRollout("an alias is called default, which is a field of its own")
    if any(name in REGISTRY and target.partition("@")[0] != name for name, target in aliases.items()):
        raise InvalidRollout("an alias is called like a model, and means another model")
    return aliases
