"""What a generation returns: images, timings and cost. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from imagegen.generation.request import Seed
from imagegen.lazy_model import LazyModel


class ResponseModel(LazyModel):
    """Base of everything that the API returns."""


def _absent_if_none(description: str) -> Any:
    return Field(description=description, exclude_if=lambda value: value is None)


JUDGED: Final = _absent_if_none("Only of `moderation_blocked`: what was judged, `prompt`, `input` or `output`.")
FOUND: Final = _absent_if_none("Only of `moderation_blocked`: the category, such as `sexual`.")
"""Members of an error, in a problem document and in a job."""
FIELD: Final = _absent_if_none("The field of the request that the error is about, such as `image`; absent without one.")


CostItem = Literal[
    "compute",
    "provisioned_concurrency",
    "lambda_requests",
    "api_gateway_requests",
    "sqs_requests",
    "dynamodb_writes",
    "s3_writes",
    "s3_storage",
    "not_charged",
]
CostUnit = Literal["GB-second", "request", "write unit", "GB-month", "adjustment"]


def _decimal(description: str) -> Any:
    pattern: Any = {"pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
    return Field(description=f"{description} A decimal number in a string.", json_schema_extra=pattern)


class ImageResult(ResponseModel):
    """One stored image; `url` is presigned and expires at `expires_at`."""

    key: SkipJsonSchema[str] = Field(exclude=True)
    """In the image store. Not a part of the response."""
    url: str = Field(
        description="Presigned: anyone who has it can download the file.", json_schema_extra={"format": "uri"}
    )
    seed: Seed
    width: int
    height: int
    content_type: str = Field(description="`image/png`, `image/jpeg` or `image/webp`.")
    bytes: int = Field(description="Length of the file.")
    sha256: str = Field(description="SHA-256 of the file, in hex.")
    pixels_sha256: str | None = Field(
        None,
        description=(
            "SHA-256, in hex, of the pixels before they are encoded: rows from the top, each pixel's bytes in RGB, or "
            "RGBA with a transparent background. Equal for equal pictures, in every format. null for images of earlier "
            "versions."
        ),
    )
    content_credentials: bool = Field(
        False,
        description="Whether the file is signed: `POST /verify` names the signer. Editors may drop the signature.",
    )
    expires_at: datetime = Field(
        description="The URL's latest end. It ends earlier with the credentials that signed it."
    )


class Timings(ResponseModel):
    """Milliseconds per phase. For a cached result, all except `total_ms` are 0.

    `load_ms` includes loading the model, and compiling it for a size, with or without guidance, that the environment
    does not keep compiled, and loading the networks behind `background_ms` and `upscale_ms`. `encoder_load_ms` is
    loading what encodes an input image, which only requests with one need. If several runs of a job made the images,
    all that contributed count, and `denoise_ms` includes what the earlier ones spent on encoding, compiling and
    previews. `preview_ms` is what drawing previews took in between the steps, and `moderation_ms` what
    judging the pictures took, with loading what judges.
    """

    queue_ms: int = 0
    load_ms: int = 0
    encoder_load_ms: int = 0
    text_encode_ms: int = 0
    image_encode_ms: int = 0
    denoise_ms: int = 0
    decode_ms: int = 0
    background_ms: int = 0
    upscale_ms: int = 0
    moderation_ms: int = 0
    store_ms: int = 0
    preview_ms: int = 0
    total_ms: int = 0

    def plus(self, other: Timings) -> Timings:
        """Return the sum of each phase."""
        mine, others = self.model_dump(), other.model_dump()
        return Timings(**{phase: mine[phase] + others[phase] for phase in mine})


class CostLine(ResponseModel):
    """An item of a receipt. `usd` is `quantity` x `usd_per_unit`, rounded to eight decimal places."""

    item: CostItem = Field(
        description="`provisioned_concurrency`: keeping the environment while it worked on this. `not_charged`: what "
        "exceeds the amount that the request had reserved; negative."
    )
    quantity: str = _decimal("How much.")
    unit: CostUnit
    usd_per_unit: str = _decimal("US dollars for one unit.")
    usd: str = _decimal("US dollars.")


class PriceTable(ResponseModel):
    """The prices of a receipt. If `region` is not `deployment_region`, there are none of the latter."""

    region: str = Field(description="The region whose list prices these are.")
    deployment_region: str = Field(description="The region of the deployment; empty if it does not know.")
    noted: str = Field(description="The day on which the prices were noted.", json_schema_extra={"format": "date"})


class Cost(ResponseModel):
    """What the request or job is billed: `usd` is exactly the sum of the lines.

    Images from the cache cost nothing and have no lines. Reads, transfer, webhooks and logs are not included.
    """

    billed_ms: int = Field(description="Compute time.")
    memory_mb: int
    usd: float
    lines: list[CostLine] = Field([], description="Empty for jobs of earlier versions, whose `usd` is compute.")
    prices: PriceTable | None = Field(None, description="null without lines.")


ColdStartCause: TypeAlias = Literal["new_environment", "provisioned", "another_model", "failed_load"]
"""Why a model was loaded: the first load of a process, which Lambda started for a request or in advance, for
provisioned concurrency; in place of another model; or again, because the load before failed."""


class ModelLoad(ResponseModel):
    """The load that a result or a warm-up waited for. Only in logs.

    `usd` is its compute time at the price of `cost`, and no addition to it: `cost` includes what was loaded after the
    generation began. What was loaded before, while the service was set up, is on no receipt.
    """

    cause: ColdStartCause
    waited_ms: int
    usd: float


class Result(ResponseModel):
    """The response of POST /generate."""

    id: str
    status: Literal["succeeded"] = "succeeded"
    model: str
    model_version: str | None = Field(
        None,
        description="The version that drew the images, a value of `model`. null for results of earlier versions of the "
        "service.",
    )
    image_url: str = Field(description="The first image's URL.", json_schema_extra={"format": "uri"})
    images: list[ImageResult]
    cached: bool = Field(description="Whether all images were stored before.")
    cold_start: bool = Field(description="Whether this request waited for the model to load.")
    timings: Timings
    cost: Cost
    warnings: list[str] = Field(description="What the service ignored, such as `prompt_truncated`.")
    metadata: dict[str, str] = Field(description="The request's.")
    model_load: SkipJsonSchema[ModelLoad | None] = Field(None, exclude=True)
    """Of a cold start. Not a part of the response."""


class KeptImage(ResponseModel):
    """One stored image by its key. A URL can be signed until `kept_until`, when the store may delete it."""

    key: str
    seed: int
    width: int
    height: int
    content_type: str
    bytes: int
    sha256: str
    pixels_sha256: str | None = None
    content_credentials: bool = False
    kept_until: datetime


class Outcome(ResponseModel):
    """A Result before its URLs are signed; this is what a job stores."""

    model: str
    model_version: str | None = None
    """None for an outcome that an earlier release stored."""
    images: list[KeptImage]
    cached: bool
    cold_start: bool
    timings: Timings
    cost: Cost
    warnings: list[str]
    model_load: SkipJsonSchema[ModelLoad | None] = Field(None, exclude=True)
    """Of a cold start. Not stored."""


class WarmUp(ResponseModel):
    """The response to a warm-up ping."""

    status: Literal["warm"] = "warm"
    model: str
    engine: str
    device: str
    precision: str
    reason: str = Field(description="Why this device and precision.")
    cold_start: bool
    load_ms: int
    model_load: SkipJsonSchema[ModelLoad | None] = Field(None, exclude=True)
    """Of a cold start. Not a part of the response."""
