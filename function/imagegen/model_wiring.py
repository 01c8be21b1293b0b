"""Builds what says which models there are, where their files are and what runs them (wiring.py)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from imagegen import telemetry
from imagegen.catalog.registry import Model
from imagegen.settings import Settings

if TYPE_CHECKING:
    from imagegen.catalog.image_models import ImageModels
    from imagegen.catalog.model_folders import ModelFolders
    from imagegen.catalog.model_store import ModelStore
    from imagegen.catalog.ports import Models
    from imagegen.catalog.published import PublishedVersions
    from imagegen.generation.ports import Backend
    from imagegen.jobs.ports import Clock


def is_judged(settings: Settings, model: Model) -> bool:
    """Return whether the pictures of a model are judged."""
    return (
        settings.moderation
        and settings.picture_check != "off"
        and (settings.picture_check == "on" or not model.harmless)
    )


def judging_engine(settings: Settings) -> str:
    """Return the engine that judges pictures."""
    return "openvino" if settings.picture_checker == "networks" else "torch"


def judged_models(settings: Settings, models: Mapping[str, Model]) -> frozenset[str]:
    """Return the ids of the models whose pictures are judged.

    Raises ValueError if the image has nothing that judges them, because such a deployment would refuse every request.
    """
    judged = frozenset(each.id for each in models.values() if is_judged(settings, each))
    needed = judging_engine(settings)
    if judged and needed not in settings.engines:
        raise ValueError(
            f"ENGINES has no {needed}, which judges the pictures of {', '.join(sorted(judged))}: add it, or set "
            "PICTURE_CHECK=off"
        )
    return judged


class ModelParts:
    """The parts of a Container that know models, without loading any."""

    settings: Settings
    models: Mapping[str, Model]
    clock: Clock

    @cached_property
    def backend(self) -> Backend:
        """What runs every generation. Imports no engine."""
        from imagegen.engines.cpu import Precision, compilable, fastest_precision, vcpus
        from imagegen.engines.selection import choose_backend

        settings = self.settings
        threads = settings.threads or vcpus(settings.aws_lambda_function_memory_size)
        if settings.precision == "auto":
            precision = fastest_precision(threads, settings.onednn_max_cpu_isa)
        else:
            asked = Precision(settings.precision, f"PRECISION={settings.precision}")
            precision = compilable(asked, threads, settings.onednn_max_cpu_isa)
        return choose_backend(settings.device, settings.engines, precision, threads)

    @property
    def on_gpu(self) -> bool:
        """Whether the backend is a GPU."""
        return self.backend.device == "cuda"

    @cached_property
    def image_models(self) -> ImageModels:
        """The models in the image."""
        from imagegen.catalog.image_models import ImageModels

        return ImageModels(self.models, self.settings.default_model_id)

    @cached_property
    def catalog(self) -> Models:
        """The models on offer: those of the image, and with a rollout those of the bucket."""
        if not self.settings.model_rollout:
            return self.image_models
        from imagegen.aws.model_objects import SsmRollout
        from imagegen.catalog.current_models import CurrentModels

        rollout = SsmRollout(self.settings.model_rollout)
        return CurrentModels(self.image_models, rollout, self.published_versions, telemetry, self.clock)

    @cached_property
    def published_versions(self) -> PublishedVersions:
        """The versions in the bucket."""
        from imagegen.aws.model_objects import S3ModelObjects
        from imagegen.catalog.published import PublishedVersions

        objects, refusal = S3ModelObjects(self.settings.bucket_name), self._refusal
        return PublishedVersions(objects, self.backend.engine, self.settings.largest_models_bytes, refusal)

    def _refusal(self, model: Model) -> str:
        """Return why this deployment cannot run a published version; empty if it can."""
        settings, need = self.settings, model.memory_mb.half  # Api's processor may have another precision than Worker's
        if not self.on_gpu and need > settings.worker_memory_mb:
            return f"needs {need:,} MB at least; the functions have {settings.worker_memory_mb:,} MB"
        if is_judged(settings, model) and judging_engine(settings) not in settings.engines:
            return f"has pictures that nothing here can judge: ENGINES has no {judging_engine(settings)}"
        return ""

    @cached_property
    def model_folders(self) -> ModelFolders:
        """The prepared models, in the image or from the bucket."""
        from imagegen.catalog.model_folders import ModelFolders

        return ModelFolders(self.settings.models_dir, lambda: self.model_store)

    @cached_property
    def model_store(self) -> ModelStore:
        """Versions from the bucket on this disk."""
        from imagegen.catalog.model_store import ModelStore

        return ModelStore(self.settings.model_storage_dir, self.published_versions)
