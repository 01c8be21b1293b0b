"""The only reader of the environment. Every bad value is reported at once, before any request is served."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Strings = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list in the environment."""


class Settings(BaseSettings):
    """What a deployment decides. Each field is the environment variable of the same name in upper case.

    Raises pydantic.ValidationError naming every variable that is missing or out of range.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    bucket_name: str = Field(min_length=3, max_length=63, description="bucket of the generated images")
    table_name: str = Field(min_length=3, max_length=255, description="table of jobs, bills, keys and leases")
    jobs_queue_url: str = Field(min_length=1, description="queue of jobs that wait for a worker")
    jobs_dead_letters_url: str = Field(min_length=1, description="queue of jobs' messages that nobody could take")
    image_days: int = Field(7, ge=1, le=3650, description="days that an image and its job are kept")
    model_ids: Strings = Field(("demo",), description="registry ids this deployment offers; the first is the default")
    models_dir: Path = Field(Path("/opt/models"), description="folder that holds one model folder per id")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the pipeline computes")
    engines: Strings = Field(("openvino", "torch"), description="engines that are built in: openvino, torch or both")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="type that the pipeline computes in; auto: the fastest that the processor has"
    )
    threads: int = Field(0, ge=0, le=256, description="threads that compute; 0: one per vCPU")
    embed_prompt: bool = Field(True, description="write the prompt into the PNG file's text chunks")
    url_expires_seconds: int = Field(3600, ge=60, le=3600, description="lifetime of a presigned URL")
    gateway_timeout_seconds: float = Field(28, gt=0, le=900, description="time API Gateway waits, less a second")
    allowed_origins: Strings = Field(("*",), description="origins whose pages may call the API (CORS)")
    usd_per_gb_second: float = Field(0.0000166667, ge=0, description="Lambda's price of a GB-second")
    webhooks_queue_url: str = Field(min_length=1, description="queue of webhooks to deliver")
    webhooks_dead_letters_url: str = Field(min_length=1, description="queue of webhooks that could not be delivered")
    webhook_secrets_path: str = Field(min_length=1, description="path of the tenants' signing secrets in SSM")
    aws_lambda_initialization_type: str = Field("", description="set by Lambda itself, empty elsewhere")
    aws_sam_local: bool = Field(False, description="set by `sam local` itself")
    onednn_max_cpu_isa: str = Field("", description="read by oneDNN itself: the instruction sets it may use")
    aws_lambda_function_memory_size: int = Field(10240, ge=1, description="MB, set by Lambda itself")

    @field_validator("model_ids", "engines", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("model_ids", "engines", "allowed_origins")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("expected at least one value, comma separated")
        return value

    @field_validator("engines")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not set(value) <= {"openvino", "torch"}:
            raise ValueError("expected openvino, torch or both, comma separated")
        return value

    @model_validator(mode="after")
    def _gpu_needs_torch(self) -> Self:
        if self.device == "cuda" and "torch" not in self.engines:
            raise ValueError("DEVICE=cuda needs ENGINES to name torch")
        return self

    @cached_property
    def default_model_id(self) -> str:
        return self.model_ids[0]
