"""The models in the image: all that a deployment without a rollout offers. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from imagegen.catalog.ports import OnOffer
from imagegen.catalog.registry import Model
from imagegen.errors import ModelNotFound


class ImageModels:
    """Implements ports.Models with the registry's entry of each model in the image."""

    def __init__(self, models: Mapping[str, Model], default_id: str):
        """`models` are by id, and have `default_id`."""
        self.by_id = models
        self.default = models[default_id]
        self.by_version = {model.version: model for model in models.values()}

    def model(self, name: str | None) -> Model:
        """Return the model with this id or version, or the default. Raises ModelNotFound."""
        found = self.default if name is None else self.by_id.get(name) or self.by_version.get(name)
        if found is None:
            raise not_found([*self.by_id])
        return found

    def of_job(self, version: str, name: str | None) -> Model:
        """Return the model of a job. Raises ModelNotFound.

        A job that an earlier image accepted runs on this one's version, unless its caller asked for the other: a
        deployment replaces the image, and must not fail what waits in the queue. An alias names no version.
        """
        asked = name if name is not None and "@" in name else version.partition("@")[0] or name
        return self.by_version.get(version) or self.model(asked)

    def on_offer(self) -> OnOffer:
        """Return one version of each model."""
        return OnOffer(self.default, tuple(self.by_id.values()), self.by_id)


def not_found(names: list[str]) -> ModelNotFound:
    """Return an error that lists what a request may name."""
    return ModelNotFound(f"model must be one of {', '.join(names)}.")
