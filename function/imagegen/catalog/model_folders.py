"""Where the files of a model are: in the image, or on the disk after a download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagegen.catalog.model_store import ModelStore
from imagegen.catalog.registry import Model
from imagegen.catalog.rollout import Release

BUCKET: Final = "bucket"
"""Source of a published version."""


@dataclass(frozen=True)
class ModelFolders:
    """Prepared models in `models_dir`/ID/ENGINE, and published versions in a store, built for the first of them."""

    models_dir: Path
    store: Callable[[], ModelStore]

    def folder(self, model: Model, engine: str) -> Path:
        """Return the folder, whose files are all there; those of a published version until the next call.

        Raises ModelUnavailable or StorageUnavailable for a published version.
        """
        return self.store().folder(_release(model)) if model.source == BUCKET else self._in_image(model, engine)

    def manifest_folder(self, model: Model, engine: str) -> Path:
        """Return a folder that has the manifest. Raises what `folder` raises."""
        return (
            self.store().manifest_folder(_release(model)) if model.source == BUCKET else self._in_image(model, engine)
        )

    def missing_bytes(self, model: Model) -> int:
        """Return how many bytes `folder` would download. Raises what `folder` raises."""
        return self.store().missing_bytes(_release(model)) if model.source == BUCKET else 0

    def _in_image(self, model: Model, engine: str) -> Path:
        return self.models_dir / model.id / engine


def _release(model: Model) -> Release:
    return Release(model.id, model.revision)
