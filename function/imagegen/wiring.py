"""Builds the service from the settings. Engines are imported when a model is first asked for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from imagegen import manifest, telemetry
from imagegen.engines import EnginePool, choose_backends
from imagegen.errors import ModelUnavailable
from imagegen.job_service import JobService, Offer
from imagegen.jobs import Limits
from imagegen.leader import Leader
from imagegen.ports import Backend, Engine, ImageStore, JobQueue
from imagegen.processor import Precision, fastest_precision, vcpus
from imagegen.registry import Model, offered
from imagegen.settings import Settings

if TYPE_CHECKING:
    from imagegen.aws_webhooks import SqsWebhookQueue
    from imagegen.service import ImageService
    from imagegen.targets import Courier
    from imagegen.together import Together
    from imagegen.webhooks import WebhookSender


def build_service(settings: Settings, together: Together | None = None) -> ImageService:
    """On a GPU, what comes at the same time is drawn `together`.

    Raises ValueError where MODEL_IDS names a model that the registry does not know.
    """
    from imagegen.service import ImageService, Receipts  # Pillow: not in the zip functions

    models = offered(settings.model_ids)
    engines = build_engines(settings, together)
    if settings.aws_lambda_initialization_type:
        engines.begin(models[settings.default_model_id])
    return ImageService(
        models=models,
        default_model_id=settings.default_model_id,
        engines=engines,
        store=build_store(settings),
        leader=build_leader(settings),
        receipts=Receipts(settings.aws_lambda_function_memory_size, settings.usd_per_gb_second),
        embed_prompt=settings.embed_prompt,
    )


def build_jobs(settings: Settings) -> JobService:
    """Imports boto3, never an engine. Raises ValueError as `build_service` does."""
    from imagegen.aws_table import DynamoJobStore

    return JobService(
        offer=Offer(offered(settings.model_ids), settings.default_model_id, build_engines(settings).backend_for),
        store=DynamoJobStore(settings.table_name, epoch_ms),
        queue=build_queue(settings),
        webhooks=build_webhook_queue(settings),
        images=build_store(settings),
        keep_s=settings.image_days * 24 * 3600,
        clock=epoch_ms,
        on_crash=telemetry.crashed,
    )


def build_queue(settings: Settings) -> JobQueue:
    from imagegen.aws_queue import SqsJobQueue

    return SqsJobQueue(settings.jobs_queue_url, settings.jobs_dead_letters_url)


def build_webhook_queue(settings: Settings) -> SqsWebhookQueue:
    from imagegen.aws_webhooks import SqsWebhookQueue

    return SqsWebhookQueue(settings.webhooks_queue_url, settings.webhooks_dead_letters_url)


def build_webhooks(settings: Settings, courier: Courier | None = None) -> WebhookSender:
    """Delivers to public addresses only, unless a test brings a courier: nothing in the settings says otherwise."""
    from imagegen.aws_table import DynamoJobStore
    from imagegen.aws_webhooks import SsmSecretStore
    from imagegen.targets import Courier
    from imagegen.webhooks import WebhookSender

    jobs = build_jobs(settings)
    return WebhookSender(
        jobs=DynamoJobStore(settings.table_name, epoch_ms),
        render=lambda job: jobs.summarize(job).model_dump(mode="json"),
        secrets=SsmSecretStore(settings.webhook_secrets_path),
        courier=courier or Courier(),
        retries=build_webhook_queue(settings),
    )


def build_leader(settings: Settings) -> Leader:
    from imagegen.aws_table import DynamoLeases

    return Leader(DynamoLeases(settings.table_name, epoch_ms), Limits())


def epoch_ms() -> int:
    return time.time_ns() // 1_000_000


def build_store(settings: Settings) -> ImageStore:
    """Imports boto3, a quarter of a second; the engine that was begun before needs no Python meanwhile."""
    from imagegen.aws import S3ImageStore

    return S3ImageStore(settings.bucket_name, settings.url_expires_seconds, settings.image_days)


def on_gpu(settings: Settings) -> bool:
    return _backends(settings)[0].device == "cuda"


def build_engines(settings: Settings, together: Together | None = None) -> EnginePool:
    def load(model: Model, backend: Backend) -> Engine:
        return _load(model, settings.models_dir, backend, together)

    return EnginePool(_backends(settings), load, settings.aws_lambda_function_memory_size)


def _backends(settings: Settings) -> tuple[Backend, ...]:
    memory_mb = settings.aws_lambda_function_memory_size
    if settings.precision == "auto":
        precision = fastest_precision(settings.onednn_max_cpu_isa)
    else:
        precision = Precision(settings.precision, f"PRECISION={settings.precision}")
    return choose_backends(settings.device, settings.engines, precision, settings.threads or vcpus(memory_mb))


def _load(model: Model, models_dir: Path, backend: Backend, together: Together | None) -> Engine:
    """Verifying the files needs no Python, so it begins before the engine's imports, which need nothing else."""
    folder = models_dir / model.id / backend.engine
    verified = manifest.begin_verifying(folder)
    try:
        if backend.engine == "openvino":
            from imagegen.engine_openvino import OpenVINOEngine

            return OpenVINOEngine.load(folder, model, backend, verified)
        from imagegen.engine_torch import TorchEngine

        engine = TorchEngine.load(folder, backend, verified)
        return together.engine(engine) if together is not None and backend.device == "cuda" else engine
    except ModuleNotFoundError as error:
        raise ModelUnavailable.because(backend.engine, f"is not built in, but ENGINES names it: {error}") from error
