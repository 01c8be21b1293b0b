"""What the command line reads of the service's documents. Members that it does not need, or know, are ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure

FINAL: Final = {"succeeded", "failed", "cancelled"}
_SUCCEEDED: Final = "succeeded"

Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
"""Also the name of a file: no path may be in it."""
T = TypeVar("T")


def _with_host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("it is not an http URL with a host")
    return url


class Document(BaseModel):
    """A JSON object of a response."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Image(Document):
    url: Annotated[str, AfterValidator(_with_host)]
    seed: int
    width: int
    height: int
    content_type: str
    bytes: int
    sha256: str


class Timings(Document):
    queue_ms: float
    load_ms: float
    encoder_load_ms: float = 0
    text_encode_ms: float
    image_encode_ms: float = 0
    denoise_ms: float
    decode_ms: float
    background_ms: float = 0
    upscale_ms: float = 0
    store_ms: float
    total_ms: float


class CostLine(Document):
    """An item of a receipt. Dollars are a decimal number in a string."""

    item: str
    usd: str


class Cost(Document):
    """What a result was billed: the sum of `lines`, of which an earlier version of the service has none."""

    usd: float
    billed_ms: int
    memory_mb: int
    lines: list[CostLine] = []


class Result(Document):
    """The response of POST /generate; `id` is also its job's."""

    id: Id
    model: str
    images: Annotated[list[Image], Field(min_length=1)]
    cached: bool
    cold_start: bool
    timings: Timings
    cost: Cost
    warnings: list[str]


class UploadForm(Document):
    """The response of POST /uploads. Anyone who has the fields can send the file."""

    id: Id
    url: Annotated[str, AfterValidator(_with_host)]
    fields: Annotated[dict[str, str], Field(repr=False)]
    max_bytes: int
    usable_until: str


class Provenance(Document):
    """One kind of provenance; what the picture says is None unless it is valid."""

    type: str
    validation_state: Literal["trusted", "valid", "invalid", "not_present"]
    issuer: str | None = None
    model: str | None = None
    generated_at: str | None = None


class ProvenanceCheck(Document):
    """The response of POST /verify."""

    results: Annotated[list[Provenance], Field(min_length=1)]


class Progress(Document):
    phase: str
    position: int | None = None
    step: int
    of: int
    eta_ms: float | None = None


class JobError(Document):
    code: str
    status: int
    detail: str


class Job(Document):
    """A job; `result` and `error` are None until it is final."""

    id: Id
    status: str
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    attempt: int
    progress: Progress | None = None
    result: Result | None = None
    error: JobError | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def has_succeeded(self) -> bool:
        return self.status == _SUCCEEDED


class JobPage(Document):
    jobs: list[Job]
    cursor: str | None = None


class Defaults(Document):
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str


class Limits(Document):
    min_size: int
    max_size: int
    max_steps: int
    max_images: int


class Model(Document):
    id: str
    family: str
    revision: str
    engine: str
    defaults: Defaults
    limits: Limits
    schedulers: list[str]


class ModelList(Document):
    default: str
    models: list[Model]


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A document, and the same as the service sent it."""

    value: T
    raw: dict[str, Any]


def parse(kind: type[T], raw: Any) -> Answer[T]:
    """Return the document. Raises Failure (service failed) if it lacks something that the command line needs."""
    try:
        return Answer(TypeAdapter(kind).validate_python(raw), raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise Failure(
            ExitCode.SERVICE_FAILED, f"The response is not that of this API: {where}: {first['msg']}."
        ) from error
