"""Request bodies: their fields, bounds and error codes. Pure.

`GenerateRequest` has the bounds that hold for every model; planner.py fills in defaults and checks the model's limits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from imagegen.errors import InvalidRequest
from imagegen.generation.field_errors import Omitted, field_error, null_message
from imagegen.lazy_model import LazyModel
from imagegen.public_url import MAX_URL, NotAllowed, check

MAX_PROMPT: Final = 2000
"""Characters, after trimming."""
DEFAULT_STRENGTH: Final = 0.8
MAX_SEED: Final = 2**32 - 1

OutputFormat = Literal["png", "jpeg", "webp"]
DEFAULT_QUALITY: Final = 90
"""Of jpeg and webp."""
ResizeMode = Literal["crop", "fit", "stretch"]
Background = Literal["opaque", "transparent"]
UpscaleFactor = Literal[1, 2, 4]
WebhookEvent = Literal["job.succeeded", "job.failed", "job.cancelled"]

# Control characters (Cc) other than tab and line breaks, bidirectional controls, surrogates.
_DISALLOWED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _check_characters(text: str) -> str:
    """Reject characters that hide or reorder text, and surrogates, which UTF-8 cannot encode."""
    disallowed = _DISALLOWED.search(text)
    if disallowed:
        raise PydanticCustomError(
            "invalid_text",
            "contains the character U+{code_point}; control characters other than line breaks and tabs, "
            "bidirectional controls and lone surrogates are not allowed",
            {"code_point": f"{ord(disallowed[0]):04X}"},
        )
    return text


def _trimmed(text: str) -> str:
    """Trim white space and Unicode format characters (Cf), then check the length."""
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    if end - start > MAX_PROMPT:
        raise PydanticCustomError("prompt_too_long", f"must have at most {MAX_PROMPT} characters")
    return text[start:end]


def _require_true(value: bool) -> bool:
    if not value:
        raise PydanticCustomError("out_of_range", "must be true")
    return value


def _check_url(url: str) -> str:
    try:
        return check(url)
    except NotAllowed as error:
        raise PydanticCustomError("url_not_allowed", "{reason}", {"reason": str(error)}) from None


def _integer(value: object) -> object:
    """Reject what equals an integer without being one: pydantic's Literal accepts 2.0 and true."""
    if type(value) is not int:
        raise PydanticCustomError("int_type", "is no integer")
    return value


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cf"


def _not_empty(text: str) -> str:
    if not text:
        raise PydanticCustomError("prompt_empty", "must not be empty or blank")
    return text


def optional(description: str) -> Any:
    """Return an optional field. None means absent; JSON null is rejected, so the schema does not allow it."""

    def without_null(schema: dict[str, Any]) -> None:
        schema.pop("default", None)
        schema.update(schema.pop("anyOf")[0])

    return Field(None, description=description, json_schema_extra=without_null)


MODELS_DEFAULT: Final = Omitted("the model's default")
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, json_schema_extra={"format": "int64"})]
"""More than 32 bits of a signed integer."""
Size = Annotated[int, Field(ge=8, le=4096, multiple_of=8)]
Upscale = Annotated[UpscaleFactor, BeforeValidator(_integer)]
Text = Annotated[str, AfterValidator(_check_characters)]
Prompt = Annotated[Text, AfterValidator(_trimmed)]
MetadataText = Annotated[Text, Field(max_length=512)]


class StrictRequest(LazyModel):
    """Strict about types, field names and null."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: object, info: ValidationInfo) -> object:
        if value is None:
            message = null_message(cls, str(info.field_name))
            raise PydanticCustomError("wrong_type", "{message}", {"message": message})
        return value

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Return the validated JSON object. Raises InvalidRequest with one entry per invalid field."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise invalid_request(cls, cast(Sequence[Mapping[str, Any]], error.errors(include_input=False))) from None


class WarmUpRequest(StrictRequest):
    """The event of a warm-up ping."""

    warmup: Annotated[bool, AfterValidator(_require_true), WithJsonSchema({"const": True})]
    model: Annotated[Text | None, Omitted("the deployment's default model")] = optional(
        "An id, an alias or a version from `GET /models`. Default: the deployment's default."
    )
    hold_ms: Annotated[Annotated[int, Field(ge=0, le=5000)], Omitted("an answer at once")] = Field(
        0, description="Milliseconds until the answer, at least: other pings of the moment find other environments."
    )


class Webhook(StrictRequest):
    """Where to send a job's final state."""

    url: Annotated[str, AfterValidator(_check_url)] = Field(
        description="https, port 443 or 8443, a public host. Redirects are not followed.",
        examples=["https://example.com/hooks/images"],
        json_schema_extra={"format": "uri", "maxLength": MAX_URL, "pattern": "^[Hh][Tt][Tt][Pp][Ss]://"},
    )
    events: Annotated[list[WebhookEvent], Field(min_length=1, max_length=3), Omitted("all of them")] = Field(
        default=["job.succeeded", "job.failed", "job.cancelled"],
        description="Final states to send. Default: all of them.",
    )


class GenerateRequest(StrictRequest):
    """The body of POST /generate and POST /jobs. Parameter names are those of diffusers."""

    prompt: Annotated[Prompt, AfterValidator(_not_empty)] = Field(
        description="What the image shows. White space around it is removed.",
        examples=["a small red circle on a white background"],
        json_schema_extra={"minLength": 1, "maxLength": MAX_PROMPT},
    )
    negative_prompt: Annotated[Prompt, Omitted("no negative prompt")] = Field(
        "",
        description="What the image must not show. Default: nothing.",
        json_schema_extra={"maxLength": MAX_PROMPT},
    )
    model: Annotated[Text | None, Omitted("the deployment's default model")] = optional(
        "An id, an alias or a version from `GET /models`. Default: the deployment's default."
    )
    width: Annotated[Size | None, MODELS_DEFAULT] = optional(
        "Pixels, a multiple of 8 within the model's limits. Default: the model's."
    )
    height: Annotated[Size | None, MODELS_DEFAULT] = optional(
        "Pixels, a multiple of 8 within the model's limits. Default: the model's."
    )
    num_inference_steps: Annotated[Annotated[int, Field(ge=1, le=150)] | None, MODELS_DEFAULT] = optional(
        "Denoising steps, within the model's limits. Default: the model's."
    )
    guidance_scale: Annotated[Annotated[float, Field(ge=0, le=30)] | None, MODELS_DEFAULT] = optional(
        "Classifier-free guidance, off at 1 and below. Default: the model's."
    )
    num_images_per_prompt: Annotated[int, Field(ge=1, le=8), Omitted("one image")] = Field(
        1, description="Image i uses the seed (seed + i) mod 2^32. Default: 1."
    )
    image: Annotated[str | None, Omitted("a picture from text alone")] = optional(
        "A picture to start from: an id from `POST /uploads`, or base64 of a PNG, JPEG or WebP file. Without `width` "
        "and `height`, the output has the model's size that is nearest to the picture's. Default: none."
    )
    mask_image: Annotated[str | None, Omitted("an edit of the whole picture")] = optional(
        "A picture of the size of `image`, in the same forms: white is repainted, black is kept to the pixel. Default: "
        "all of `image` is repainted."
    )
    strength: Annotated[Annotated[float, Field(gt=0, le=1)] | None, Omitted(f"{DEFAULT_STRENGTH}")] = optional(
        "How much of `image` to change: the part of the denoising steps that are made, at least one. Only with "
        f"`image`. Default: {DEFAULT_STRENGTH}."
    )
    resize_mode: Annotated[ResizeMode | None, Omitted("crop")] = optional(
        "How an `image` of another aspect ratio reaches `width` x `height`: crop what does not fit, fit it with "
        "borders, which a mask repaints, or stretch it. Only with `image`. Default: crop."
    )
    seed: Annotated[Seed | None, Omitted("a random seed")] = optional(
        "The same request with the same seed gives the same bytes. Default: random, and returned."
    )
    scheduler: Annotated[Text | None, MODELS_DEFAULT] = optional("An id from the model's list. Default: the model's.")
    output_format: Annotated[OutputFormat, Omitted("png")] = Field("png", description="File format. Default: png.")
    output_quality: Annotated[Annotated[int, Field(ge=1, le=100)] | None, Omitted("90 for jpeg and webp")] = optional(
        "Quality of a jpeg or webp file; ignored for png, which is lossless. Default: 90."
    )
    upscale: Annotated[Upscale, Omitted("the size that was drawn")] = Field(
        1,
        description="Enlarge the image so many times with a super-resolution network after it was drawn. Default: 1.",
    )
    background: Annotated[Background, Omitted("an opaque background")] = Field(
        "opaque",
        description=(
            "transparent: everything but the image's most salient subject becomes transparent (png and webp). "
            "Default: opaque."
        ),
    )
    cache: Annotated[Literal["use", "refresh", "off"], Omitted("use")] = Field(
        "use",
        description=(
            "use: return stored images of an identical request with this seed; refresh: generate and replace them for "
            "later requests; off: generate and leave the cache as it is. Default: use."
        ),
    )
    preview: Annotated[bool, Omitted("no previews")] = Field(
        False,
        description=(
            "Whether the job shows small pictures of what it draws, in `progress.preview`. They change nothing about "
            "the images. Default: false."
        ),
    )
    metadata: Annotated[dict[MetadataText, MetadataText], Omitted("no metadata")] = Field(
        default_factory=dict, max_length=16, description="String pairs, returned unchanged. Default: none."
    )
    webhook: Annotated[Webhook | None, Omitted("no webhook")] = optional(
        "Receives the job's final state. `POST /generate` then also creates a job."
    )


def invalid_request(model: type[BaseModel], errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """Return pydantic's errors about an instance of `model` as one InvalidRequest."""
    listed = [field_error(model, error) for error in errors[: InvalidRequest.most]]
    return InvalidRequest(listed, found=len(errors))
