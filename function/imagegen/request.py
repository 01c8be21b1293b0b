"""What a caller may ask, what it means for a model, and what names its result. Pure.

`GenerateRequest` holds the contract's fields and their bounds; `resolve` fills every gap from the model's defaults;
the resulting `Generation` holds exactly what changes the picture, and its `cache_key` names the stored object.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal, Self, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from imagegen.errors import FieldError, InvalidRequest, ModelNotFound
from imagegen.registry import Model
from imagegen.targets import MAX_URL, NotAllowed, judge

MAX_PROMPT = 2000
MAX_SEED: Final = 2**32 - 1
CACHE_KEY_VERSION: Final = 1
"""Raised when the same request would give other bytes (another encoder setting, say)."""

_DICTIONARY: Final = re.compile(r"a valid dictionary( or instance of \w+)?")
"""What pydantic calls an object of JSON."""

T = TypeVar("T")
OutputFormat = Literal["png", "jpeg", "webp"]
WebhookEvent = Literal["job.succeeded", "job.failed", "job.cancelled"]

# Control characters (Cc) other than tab and line breaks, bidirectional controls, surrogates.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _legal(text: str) -> str:
    """Refuse characters that hide or reorder text, and surrogates, which no encoding can carry."""
    illegal = _ILLEGAL.search(text)
    if illegal:
        raise PydanticCustomError(
            "invalid_text",
            "holds the character U+{code_point}; control characters other than line breaks and tabs, "
            "bidirectional controls and lone surrogates are not allowed",
            {"code_point": f"{ord(illegal[0]):04X}"},
        )
    return text


def _trimmed(text: str) -> str:
    """Trim white space and Unicode format characters, then check the length."""
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while end > start and _is_blank(text[end - 1]):
        end -= 1
    if end - start > MAX_PROMPT:
        raise PydanticCustomError("prompt_too_long", f"must have at most {MAX_PROMPT} characters")
    return text[start:end]


def _true(value: bool) -> bool:
    if not value:
        raise PydanticCustomError("out_of_range", "must be true")
    return value


def _allowed_url(url: str) -> str:
    try:
        return judge(url)
    except NotAllowed as error:
        raise PydanticCustomError("url_not_allowed", "{reason}", {"reason": str(error)}) from None


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cf"


def _not_empty(text: str) -> str:
    if not text:
        raise PydanticCustomError("prompt_empty", "must hold something to draw")
    return text


def _absent(description: str) -> Any:
    """A field that may be left out. None stands for that; a JSON null is refused, so the schema does not name it."""

    def without_null(schema: dict[str, Any]) -> None:
        del schema["default"]
        schema.update(schema.pop("anyOf")[0])

    return Field(None, description=description, json_schema_extra=without_null)


Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Size = Annotated[int, Field(ge=8, le=4096, multiple_of=8)]
Text = Annotated[str, AfterValidator(_legal)]
Prompt = Annotated[Text, AfterValidator(_trimmed)]
MetadataText = Annotated[Text, Field(max_length=512)]


class _Request(BaseModel):
    """Strict about types, names and null; says what is wrong in the contract's codes."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("wrong_type", "must not be null; leave the field out for its default")
        return value

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Validate a parsed JSON object. Raises InvalidRequest with one entry per wrong field."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise invalid_request(cast(Sequence[Mapping[str, Any]], error.errors(include_input=False))) from None


class WarmUpRequest(_Request):
    """The event of the warm-up schedule."""

    warmup: Annotated[bool, AfterValidator(_true)]
    model: Text | None = _absent("id of the model to load; default: the deployment's first")


class Webhook(_Request):
    """Where to tell that a job is final, as a field of a request."""

    url: Annotated[str, AfterValidator(_allowed_url)] = Field(
        description=f"https, at most {MAX_URL} characters, port 443 or 8443, a public host; no redirect is followed",
        examples=["https://example.com/hooks/images"],
    )
    events: Annotated[list[WebhookEvent], Field(min_length=1, max_length=3)] = Field(
        default=["job.succeeded", "job.failed", "job.cancelled"], description="what to tell; default: every final state"
    )


class GenerateRequest(_Request):
    """The body of POST /generate and POST /jobs. Parameter names are those of diffusers."""

    prompt: Annotated[Prompt, AfterValidator(_not_empty)] = Field(
        description=f"what to draw, 1 to {MAX_PROMPT} characters", examples=["a small red circle on a white background"]
    )
    negative_prompt: Prompt = Field("", description="what to keep out of the picture")
    model: Text | None = _absent("id from GET /models; default: the deployment's first")
    width: Size | None = _absent("pixels, a multiple of 8 within the model's limits; default: the model's")
    height: Size | None = _absent("pixels, a multiple of 8 within the model's limits; default: the model's")
    num_inference_steps: Annotated[int, Field(ge=1, le=150)] | None = _absent(
        "denoising steps within the model's limits; default: the model's"
    )
    guidance_scale: Annotated[float, Field(ge=0, le=30)] | None = _absent(
        "classifier-free guidance, off at 1 and below; default: the model's"
    )
    num_images_per_prompt: Annotated[int, Field(ge=1, le=8)] = Field(1, description="image i uses seed + i")
    seed: Seed | None = _absent("the same request with the same seed gives the same bytes; default: drawn")
    scheduler: Text | None = _absent("id from the model's list; default: the model's")
    output_format: OutputFormat = "png"
    cache: Literal["use", "refresh", "off"] = Field("use", description="only a request with a seed can hit the cache")
    metadata: dict[MetadataText, MetadataText] = Field(
        default_factory=dict, max_length=16, description="given back untouched"
    )
    webhook: Webhook | None = _absent("whom to tell that the job is final; POST /generate keeps a job then, too")


_CODES: Final = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "string_unicode": "invalid_text",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "literal_error": "out_of_range",
    "too_long": "out_of_range",
    "too_short": "out_of_range",
    "string_too_long": "out_of_range",
    "finite_number": "out_of_range",
    "out_of_range": "out_of_range",
    "multiple_of": "size_invalid",
    "prompt_empty": "prompt_empty",
    "prompt_too_long": "prompt_too_long",
    "invalid_text": "invalid_text",
    "url_not_allowed": "url_not_allowed",
}
"""Pydantic's error types and the contract's codes; every other type says that the JSON type is wrong."""


def invalid_request(errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """Turn pydantic's errors into ours. Their texts hold bounds and types, never the caller's value."""
    listed = [_field_error(error) for error in errors[: InvalidRequest.most]]
    return InvalidRequest(listed, found=len(errors))


def _field_error(error: Mapping[str, Any]) -> FieldError:
    path = [str(part) for part in error["loc"]]
    if path[-1:] == ["[key]"]:
        path.pop()
    code = _CODES.get(error["type"], "wrong_type")
    if path and path[-1] in ("width", "height") and code == "out_of_range":
        code = "size_invalid"
    if code == "unknown_field":
        return FieldError(".".join(path)[:64], code, "is not a field of this request")
    return FieldError(".".join(path)[:64], code, _DICTIONARY.sub("an object", str(error["msg"])))


@dataclass(frozen=True)
class Generation:
    """A request with every gap filled: all that changes the picture's bytes, and nothing else."""

    model_id: str
    revision: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    num_images_per_prompt: int
    seed: int
    scheduler: str
    output_format: OutputFormat

    @property
    def shape(self) -> tuple[object, ...]:
        """What generations must share to be drawn in one call."""
        steps, guidance = self.num_inference_steps, self.guidance_scale
        return self.model_id, self.width, self.height, steps, guidance, self.scheduler

    def seed_of(self, index: int) -> int:
        return (self.seed + index) % (MAX_SEED + 1)

    def truncation_warnings(self, count_tokens: Callable[[str], int], window: int) -> list[str]:
        """What to say of prompts longer than the `window` of tokens that a text encoder reads."""
        counts = {field: count_tokens(getattr(self, field)) for field in ("prompt", "negative_prompt")}
        return [
            f"{field}_truncated: the model reads {window} tokens, the {field} has {count}"
            for field, count in counts.items()
            if count > window
        ]

    def cache_key(self, **surroundings: str | bool) -> str:
        """SHA-256, in hex, of the canonical JSON of the generation and of what else decides its bytes
        (engine, precision, whether the prompt is embedded)."""
        document = {"version": CACHE_KEY_VERSION, **asdict(self), **surroundings}
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def find(models: Mapping[str, Model], model_id: str | None, default_id: str) -> Model:
    """Raises ModelNotFound."""
    model = models.get(default_id if model_id is None else model_id)
    if model is None:
        raise ModelNotFound(f"model must be one of {', '.join(models)}.")
    return model


def draw_seed() -> int:
    return secrets.randbelow(MAX_SEED + 1)


def _default(value: T | None, default: T) -> T:
    return default if value is None else value


def resolve(request: GenerateRequest, model: Model, seed: int) -> Generation:
    """Fill the request's gaps from the model's defaults and check the model's limits.

    Raises InvalidRequest with one entry per field beyond a limit.
    """
    defaults, limits = model.defaults, model.limits
    guidance = _default(request.guidance_scale, defaults.guidance_scale)
    generation = Generation(
        model_id=model.id,
        revision=model.revision,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt if guidance > 1 and model.takes_negative_prompts else "",
        width=_default(request.width, defaults.width),
        height=_default(request.height, defaults.height),
        num_inference_steps=_default(request.num_inference_steps, defaults.num_inference_steps),
        guidance_scale=float(guidance),
        num_images_per_prompt=request.num_images_per_prompt,
        seed=seed,
        scheduler=_default(request.scheduler, defaults.scheduler),
        output_format=request.output_format,
    )
    errors = [
        FieldError(side, "size_invalid", f"must be from {limits.min_size} to {limits.max_size} for this model")
        for side in ("width", "height")
        if not limits.min_size <= getattr(generation, side) <= limits.max_size
    ]
    if generation.num_inference_steps > limits.max_steps:
        message = f"must be from 1 to {limits.max_steps} for this model"
        errors.append(FieldError("num_inference_steps", "out_of_range", message))
    if generation.num_images_per_prompt > limits.max_images:
        message = f"must be from 1 to {limits.max_images} for this model"
        errors.append(FieldError("num_images_per_prompt", "out_of_range", message))
    if generation.scheduler not in model.schedulers:
        message = f"must be one of {', '.join(model.schedulers)}"
        errors.append(FieldError("scheduler", "unknown_scheduler", message))
    if errors:
        raise InvalidRequest(errors)
    return generation
