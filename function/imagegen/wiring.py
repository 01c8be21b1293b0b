"""Builds the service from the settings. Engines are imported when a model is first asked for."""

from __future__ import annotations

from pathlib import Path

from imagegen.aws import S3ImageStore
from imagegen.engines import EnginePool, choose_backend
from imagegen.ports import Backend, Engine
from imagegen.registry import Model, offered
from imagegen.service import ImageService, Receipts
from imagegen.settings import Settings


def build_service(settings: Settings) -> ImageService:
    """Raises ValueError where MODEL_IDS names a model that the registry does not know."""
    backend = choose_backend(settings.device)
    return ImageService(
        models=offered(settings.model_ids),
        default_model_id=settings.default_model_id,
        engines=EnginePool(backend, lambda model: _load(model, settings.models_dir, backend)),
        store=S3ImageStore(settings.bucket_name, settings.url_expires_seconds),
        receipts=Receipts(settings.aws_lambda_function_memory_size, settings.usd_per_gb_second),
        embed_prompt=settings.embed_prompt,
    )


def _load(model: Model, models_dir: Path, backend: Backend) -> Engine:
    from imagegen.engine_torch import TorchEngine  # seconds of imports, paid by the first generation only

    return TorchEngine.load(models_dir / model.id, backend)
