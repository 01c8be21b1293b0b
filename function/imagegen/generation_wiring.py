"""Builds what generates images. Each part imports its modules when it is first used (wiring.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imagegen import telemetry
from imagegen.catalog.registry import Model
from imagegen.errors import ModelUnavailable, ProvenanceUnavailable, ServiceError
from imagegen.jobs.timing import JobTiming
from imagegen.settings import Settings

if TYPE_CHECKING:
    from imagegen.aws.objects import S3Objects
    from imagegen.catalog.manifest import LatentColors
    from imagegen.engines.batching import Batcher
    from imagegen.generation.inputs import Inputs
    from imagegen.generation.planner import Planner
    from imagegen.generation.ports import Backend, Engines, ImageStore
    from imagegen.generation.preview import Previews
    from imagegen.generation.pricing import Pricing
    from imagegen.generation.service import ImageService
    from imagegen.generation.single_flight import SingleFlight
    from imagegen.generation.workload import Workload
    from imagegen.jobs.ports import Clock
    from imagegen.moderation.pictures import PictureModeration
    from imagegen.moderation.ports import ImageChecker
    from imagegen.moderation.thresholds import ThresholdsOf
    from imagegen.pictures.ports import Uploads
    from imagegen.provenance.ports import SigningKey
    from imagegen.provenance.report import Verifier
    from imagegen.provenance.signing import ContentCredentials

_FILE: Final = "file:"


def judged_models(settings: Settings, models: Mapping[str, Model]) -> frozenset[str]:
    """Return the ids of the models whose pictures are judged.

    Raises ValueError if the image has nothing that judges them, because such a deployment would refuse every request.
    """
    if not settings.moderation or settings.picture_check == "off":
        return frozenset()
    judged = frozenset(each.id for each in models.values() if settings.picture_check == "on" or not each.harmless)
    needed = "openvino" if settings.picture_checker == "networks" else "torch"
    if judged and needed not in settings.engines:
        raise ValueError(
            f"ENGINES has no {needed}, which judges the pictures of {', '.join(sorted(judged))}: add it, or set "
            "PICTURE_CHECK=off"
        )
    return judged


class GenerationParts:
    """The parts of a Container that plan, generate and store images."""

    settings: Settings
    models: Mapping[str, Model]
    timing: JobTiming
    clock: Clock
    stopwatch: Callable[[], float]
    """Seconds from any start: what generations take and cost is measured with it."""
    thresholds_of: ThresholdsOf

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
    def planner(self) -> Planner:
        """Turns requests into plans."""
        from imagegen.catalog.features import features_of
        from imagegen.generation.planner import Planner

        return Planner(self.models, self.settings.default_model_id, self.backend, features_of(self.settings.engines))

    @cached_property
    def batcher(self) -> Batcher:
        """Groups concurrent generations on a GPU."""
        from imagegen.engines.batching import Batcher

        return Batcher()

    @cached_property
    def engines(self) -> Engines:
        """The one resident engine. In Lambda it loads immediately: an environment starts because a request waits."""
        from imagegen.engines.loader import EngineLoader
        from imagegen.engines.pool import EnginePool

        memory_mb = self.settings.aws_lambda_function_memory_size
        load = EngineLoader(self.settings.models_dir, memory_mb, self.batcher).load
        pool = EnginePool(load, memory_mb, "provisioned" if self.settings.provisioned else "new_environment")
        if self.settings.aws_lambda_initialization_type:
            with suppress(ServiceError):  # the request gets the same error and reports it
                default = self.planner.warm_up(None)
                pool.preload(default.model, default.backend)
        return pool

    @cached_property
    def images(self) -> ImageService:
        """Generates and stores images."""
        from imagegen.generation.service import ImageService
        from imagegen.generation.speed_estimate import SpeedEstimate

        engines = self.engines  # before boto3, which takes a quarter of a second to import while the engine loads
        return ImageService(
            engines=engines,
            store=self.image_store,
            checks=self.picture_moderation,
            single_flight=self.single_flight,
            pricing=self.pricing,
            embed_prompt=self.settings.embed_prompt,
            estimate=SpeedEstimate(cache(self._workload)),
            credentials=self.content_credentials,
            clock=self.stopwatch,
        )

    @cached_property
    def content_credentials(self) -> ContentCredentials | None:
        """Signs pictures; None if the deployment has no key. Nothing is read or signed before the first picture."""
        if not self.settings.content_credentials_key:
            telemetry.signs_nothing()
            return None
        from imagegen.provenance.signing import ContentCredentials

        return ContentCredentials(
            self._signing_key(),
            self._certificates,
            on_ready=telemetry.signs_with,
            on_failure=telemetry.provenance_unavailable,
        )

    @cached_property
    def verifier(self) -> Verifier:
        """Checks the content credentials of pictures."""
        from imagegen.provenance.report import Verifier

        return Verifier(lambda: self._provenance_file(self.settings.content_credentials_anchors))

    def _signing_key(self) -> SigningKey:
        name = self.settings.content_credentials_key
        if name.startswith(_FILE):
            from imagegen.provenance.local_key import LocalKey

            return LocalKey(Path(name.removeprefix(_FILE)))
        from imagegen.aws.kms import KmsKey

        return KmsKey(name)

    def _certificates(self) -> bytes:
        """Return the signer's chain in PEM. Raises ProvenanceUnavailable or StorageUnavailable."""
        name = self.settings.content_credentials_chain
        if (chain := self._provenance_file(name)) is None:
            raise ProvenanceUnavailable.because(f"the certificate chain {name} does not exist")
        return chain

    def _provenance_file(self, name: str) -> bytes | None:
        """Return the file or the object of the bucket; None if there is none. Raises StorageUnavailable."""
        if name.startswith(_FILE):
            path = Path(name.removeprefix(_FILE))
            return path.read_bytes() if path.exists() else None
        return self._objects.read(name)

    @cached_property
    def picture_moderation(self) -> PictureModeration:
        """Judges pictures."""
        from imagegen.moderation.pictures import PictureModeration

        judged = judged_models(self.settings, self.models)
        return PictureModeration(self.image_checker, lambda model: model.id in judged, self.thresholds_of, telemetry)

    @cached_property
    def image_checker(self) -> ImageChecker:
        """What judges a picture. An owner's own checker takes its place here."""
        if self.settings.picture_checker == "safety_checker":
            from imagegen.engines.torch_safety_checker import SafetyChecker

            return SafetyChecker(self.settings.models_dir / "safety_checker", self.backend.threads)
        from imagegen.catalog import auxiliary
        from imagegen.engines.picture_checker import NetworkChecker

        return NetworkChecker(auxiliary.prepared(self.settings.models_dir), self.backend.threads)

    @cached_property
    def pricing(self) -> Pricing:
        """The price of this function's compute time."""
        from imagegen.generation.pricing import Pricing

        return Pricing(self.settings.aws_lambda_function_memory_size, self.settings.usd_per_gb_second)

    @cached_property
    def single_flight(self) -> SingleFlight:
        """Runs identical generations once."""
        from imagegen.aws.leases import DynamoLeases
        from imagegen.generation.single_flight import SingleFlight

        leases = DynamoLeases(self.settings.table_name, self.clock)
        return SingleFlight(leases, lease_s=self.timing.lease_s, renew_s=self.timing.renew_s)

    @cached_property
    def image_store(self) -> ImageStore:
        """Images in S3."""
        from imagegen.aws.s3 import S3ImageStore

        settings = self.settings
        return S3ImageStore(settings.bucket_name, settings.url_expires_seconds, settings.image_days)

    @cached_property
    def uploads(self) -> Uploads:
        """Pictures of tenants in S3."""
        from imagegen.aws.uploads import S3Uploads

        return S3Uploads(self.settings.bucket_name)

    @cached_property
    def inputs(self) -> Inputs:
        """The pictures of requests and jobs."""
        from imagegen.generation.inputs import Inputs

        return Inputs(self.uploads, self._objects)

    @cached_property
    def _objects(self) -> S3Objects:
        from imagegen.aws.objects import S3Objects

        return S3Objects(self.settings.bucket_name)

    @cached_property
    def previews(self) -> Previews:
        """Small pictures of images that are being drawn."""
        from imagegen.generation.preview import Previews

        return Previews(cache(self._latent_colors), self.picture_moderation)

    def _latent_colors(self, model: Model, backend: Backend) -> LatentColors | None:
        """Return None for a folder that was prepared without them, or without a readable manifest, as `_workload`."""
        from imagegen.catalog import manifest

        with suppress(ModelUnavailable):
            return manifest.latent_colors(self.settings.models_dir / model.id / backend.engine)
        return None

    def _workload(self, model: Model, backend: Backend) -> Workload | None:
        """Return None for a GPU, whose pace is not known, and without a readable manifest, which the load reports."""
        from imagegen.catalog import manifest
        from imagegen.generation.workload import Workload

        folder = self.settings.models_dir / model.id / backend.engine
        if backend.device == "cpu":
            with suppress(ModelUnavailable):
                return Workload.of(manifest.flops(folder), manifest.network_bytes(folder), model, backend)
        return None
