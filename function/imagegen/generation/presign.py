"""Signs URLs when a result is read, not when it is stored: they expire with the credentials that sign them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from imagegen.errors import ResultExpired
from imagegen.generation.ports import ImageStore
from imagegen.generation.result import ImageResult, KeptImage, Outcome, Result


def presign(
    outcome: Outcome, store: ImageStore, *, request_id: str, metadata: Mapping[str, str], now: datetime
) -> Result:
    """Return the outcome with a new URL for each image. Raises ResultExpired or StorageUnavailable."""
    if any(kept.kept_until <= now for kept in outcome.images):
        raise ResultExpired("The job's images have expired. Send the request again to generate them.")
    images = [_presign(kept, store) for kept in outcome.images]
    return Result(
        id=request_id,
        model=outcome.model,
        model_version=outcome.model_version,
        image_url=images[0].url,
        images=images,
        cached=outcome.cached,
        cold_start=outcome.cold_start,
        timings=outcome.timings,
        cost=outcome.cost,
        warnings=outcome.warnings,
        metadata=dict(metadata),
        model_load=outcome.model_load,
    )


def _presign(kept: KeptImage, store: ImageStore) -> ImageResult:
    url = store.sign(kept.key, kept.kept_until)
    return ImageResult(url=url.url, expires_at=url.expires_at, **kept.model_dump(exclude={"kept_until"}))
