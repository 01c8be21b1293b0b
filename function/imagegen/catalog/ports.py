"""What the rest of the service needs from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
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

        Raises ModelNotFound. For a published version that is named by itself, also ModelUnavailable if it does not
        verify, and StorageUnavailable if that cannot be told.
        """

    def of_job(self, version: str, name: str | None) -> Model:
        """Return the model of a job that keeps `version`, whatever the default is now.

        Without one, an earlier release stored the job: it runs on the image's model that it names. Raises what `model`
        raises, and StorageUnavailable while it is not known what is on offer.
        """

    def on_offer(self) -> OnOffer:
        """Return what can be asked for now. A published version that does not verify is left out."""
