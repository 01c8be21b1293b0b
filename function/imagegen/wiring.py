"""Builds the service from the settings. Engines are imported when a model is first asked for."""

from __future__ import annotations

from pathlib import Path

from imagegen import manifest
from imagegen.engines import EnginePool, choose_backends
from imagegen.errors import ModelUnavailable
from imagegen.ports import Backend, Engine, ImageStore
from imagegen.processor import Precision, fastest_precision, vcpus
from imagegen.registry import Model, offered
from imagegen.service import ImageService, Receipts
from imagegen.settings import Settings


def build_service(settings: Settings) -> ImageService:
    """Raises ValueError where MODEL_IDS names a model that the registry does not know."""
    models = offered(settings.model_ids)
    engines = build_engines(settings)
    if settings.aws_lambda_initialization_type:
        engines.begin(models[settings.default_model_id])
    return ImageService(
        models=models,
        default_model_id=settings.default_model_id,
        engines=engines,
        store=build_store(settings),
        receipts=Receipts(settings.aws_lambda_function_memory_size, settings.usd_per_gb_second),
        embed_prompt=settings.embed_prompt,
    )


def build_store(settings: Settings) -> ImageStore:
    """Imports boto3, a quarter of a second; the engine that was begun before needs no Python meanwhile."""
    from imagegen.aws import S3ImageStore

    return S3ImageStore(settings.bucket_name, settings.url_expires_seconds)


def build_engines(settings: Settings) -> EnginePool:
    memory_mb = settings.aws_lambda_function_memory_size
    if settings.precision == "auto":
        precision = fastest_precision(settings.onednn_max_cpu_isa)
    else:
        precision = Precision(settings.precision, f"PRECISION={settings.precision}")
    backends = choose_backends(settings.device, settings.engines, precision, settings.threads or vcpus(memory_mb))
    return EnginePool(backends, lambda model, backend: _load(model, settings.models_dir, backend), memory_mb)


def _load(model: Model, models_dir: Path, backend: Backend) -> Engine:
    """Verifying the files needs no Python, so it begins before the engine's imports, which need nothing else."""
    folder = models_dir / model.id / backend.engine
    verified = manifest.begin_verifying(folder)
    try:
        if backend.engine == "openvino":
            from imagegen.engine_openvino import OpenVINOEngine

            return OpenVINOEngine.load(folder, model, backend, verified)
        from imagegen.engine_torch import TorchEngine

        return TorchEngine.load(folder, backend, verified)
    except ModuleNotFoundError as error:
        raise ModelUnavailable.because(backend.engine, f"is not built in, but ENGINES names it: {error}") from error
