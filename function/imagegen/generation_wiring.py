"""Builds what generates images. Each part imports its modules when it is first used (wiring.py)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imagegen import telemetry
from imagegen.catalog.registry import Model
from imagegen.errors import ModelUnavailable, ProvenanceUnavailable, ServiceError
from imagegen.jobs.timing import JobTiming
from imagegen.model_wiring import ModelParts, is_judged
from imagegen.redis_wiring import RedisParts

if TYPE_CHECKING:
    from imagegen.aws.cdn_signer import CdnSigner
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
    from imagegen.moderation.pictures import PictureModeration
    from imagegen.moderation.ports import ImageChecker
    from imagegen.moderation.thresholds import ThresholdsOf
    from imagegen.pictures.ports import Uploads
    from imagegen.provenance.ports import SigningKey
    from imagegen.provenance.report import Verifier
    from imagegen.provenance.signing import ContentCredentials

_FILE: Final = "file:"


class GenerationParts(ModelParts, RedisParts):
    """The parts of a Container that plan, generate and store images."""

    timing: JobTiming
    stopwatch: Callable[[], float]
    """Seconds from any start: what generations take and cost is measured with it."""
    thresholds_of: ThresholdsOf

    @cached_property
    def planner(self) -> Planner:
        """Turns requests into plans."""
        from imagegen.catalog.features import features_of
        from imagegen.generation.planner import Planner

        return Planner(self.catalog, self.backend, features_of(self.settings.engines))

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
        load = EngineLoader(self.model_folders, self.settings.models_dir, memory_mb, self.batcher).load
        pool = EnginePool(load, memory_mb, "provisioned" if self.settings.provisioned else "new_environment")
        if self.settings.aws_lambda_initialization_type:
            with suppress(ServiceError):  # the request gets the same error and reports it
                default = self.planner.warm_up(None)
                # A download is not in the background, and the request may need no model, another one or a worker.
                if not self.model_folders.missing_bytes(default.model):
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

        is_judged_here = partial(is_judged, self.settings)
        return PictureModeration(self.image_checker, is_judged_here, self.thresholds_of, telemetry)

    @cached_property
    def image_checker(self) -> ImageChecker:
        """What judges a picture. An owner's own checker takes its place here."""
        if self.settings.picture_checker == "safety_checker":
            from imagegen.engines.torch_safety_checker import SafetyChecker

            return SafetyChecker(self.settings.models_dir / "safety_checker", self.backend.threads)
        from imagegen.catalog import auxiliary
        from imagegen.engines.picture_checker import NetworkChecker

        backend = self.backend  # its engine and precision are in the cache key, so that the verdict on a key is one
        bfloat16 = backend.engine == "openvino" and backend.precision == "bfloat16"
        return NetworkChecker(auxiliary.prepared(self.settings.models_dir), backend.threads, bfloat16=bfloat16)

    @cached_property
    def pricing(self) -> Pricing:
        """The prices of work in this function."""
        from imagegen.generation.pricing import Pricing

        settings = self.settings
        return Pricing(
            settings.aws_lambda_function_memory_size,
            settings.usd_per_gb_second,
            region=settings.aws_region,
            provisioned=settings.aws_lambda_initialization_type == "provisioned-concurrency",
            image_days=settings.image_days,
        )

    @cached_property
    def single_flight(self) -> SingleFlight:
        """Runs identical generations once."""
        from imagegen.aws.leases import DynamoLeases
        from imagegen.generation.single_flight import SingleFlight

        leases = DynamoLeases(self.settings.table_name, self.clock)
        return SingleFlight(leases, lease_s=self.timing.lease_s, renew_s=self.timing.renew_s)

    @cached_property
    def image_store(self) -> ImageStore:
        """Images in S3, and their cache entries also in Redis."""
        from imagegen.aws.s3 import S3ImageStore

        settings = self.settings
        store = S3ImageStore(
            settings.bucket_name, settings.url_expires_seconds, settings.image_days, cdn=self._cdn_signer()
        )
        if self.redis is None:
            return store
        from imagegen.redis.images import RedisImageStore

        # An entry says until when its images are kept, which follows from the deployment's days.
        name, spare = f"{settings.bucket_name}:{settings.image_days}", timedelta(seconds=settings.url_expires_seconds)
        return RedisImageStore(self.redis, store, name, spare, lambda: datetime.now(UTC))

    def _cdn_signer(self) -> CdnSigner | None:
        """Return what signs the URLs of images; None if the deployment has no distribution, so that they are S3's."""
        settings = self.settings
        if not settings.cdn_domain:
            return None
        from imagegen.aws.cdn_signer import CdnKey, CdnSigner

        key = CdnKey(settings.cdn_key_id, settings.cdn_public_key, settings.cdn_private_key_parameter)
        return CdnSigner(settings.cdn_domain, key)

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
            return manifest.latent_colors(self.model_folders.manifest_folder(model, backend.engine))
        return None

    def _workload(self, model: Model, backend: Backend) -> Workload | None:
        """Return None for a GPU, whose pace is not known, and without a readable manifest, which the load reports."""
        from imagegen.catalog import manifest
        from imagegen.generation.workload import Workload

        if backend.device == "cpu":
            with suppress(ModelUnavailable):
                folders = self.model_folders
                folder, missing = folders.manifest_folder(model, backend.engine), folders.missing_bytes(model)
                return Workload.of(manifest.flops(folder), manifest.network_bytes(folder), model, backend, missing)
        return None
