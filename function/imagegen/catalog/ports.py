"""What the rest of the service needs from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from imagegen.catalog.registry import Model


@dataclass(frozen=True)
class OnOffer:
    """What a deployment offers now."""

    default: Model
    versions: tuple[Model, ...]
    """All of them; a model may have several."""
    current: Mapping[str, Model]
    """What a request gets that names a model's id, by id."""
    aliases: Mapping[str, Model] = field(default_factory=dict)
    """What it gets that names an alias, other than an id."""


class Models(Protocol):
    """The models of a deployment. Thread-safe."""

    def model(self, name: str | None) -> Model:
        """Return the model for `model` of a request: an id, an alias or a version; the default for None.

        Raises ModelNotFound, or StorageUnavailable while it is not known what is on offer. For a published version that
        is named by itself, also ModelUnavailable if it does not verify, and StorageUnavailable if that cannot be told.
        """

    def of_job(self, version: str, name: str | None) -> Model:
        """Return the model of a job that keeps `version`, whatever the default is now.

        Without one, an earlier release stored the job: it runs on the image's model that it names. So does a job with
        the version of another image, unless it names that. Raises what `model` raises.
        """

    def on_offer(self) -> OnOffer:
        """Return what can be asked for now. A published version that does not verify is left out."""


class RolloutSource(Protocol):
    """Where the rollout is kept."""

    def read(self) -> str | None:
        """Return the rollout, or None if there is none. Raises StorageUnavailable, within seconds."""


class ModelObjects(Protocol):
    """The objects of published versions, by key. Every method raises StorageUnavailable."""

    def read(self, key: str, most: int) -> bytes | None:
        """Return the object or, if it is longer, its first `most` + 1 bytes; None if there is none."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the bytes of each object whose key begins with `prefix`."""

    def read_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Yield a part of the object in pieces. It may be shorter, or longer, than asked for."""


class RolloutLog(Protocol):
    """What is told about a rollout."""

    def rollout_refused(self, name: str, version: str, cause: str) -> None:
        """Tell that a name keeps its meaning, because `version` cannot be used; or the rollout, if `name` is empty."""
