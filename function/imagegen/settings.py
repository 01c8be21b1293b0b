"""The only reader of the environment. Every bad value is reported at once, before any request is served."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Strings = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list in the environment."""


class Settings(BaseSettings):
    """What a deployment decides. Each field is the environment variable of the same name in upper case.

    Raises pydantic.ValidationError naming every variable that is missing or out of range.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    bucket_name: str = Field(min_length=3, max_length=63, description="bucket of the generated images")
    model_ids: Strings = Field(("demo",), description="registry ids this deployment offers; the first is the default")
    models_dir: Path = Field(Path("/opt/models"), description="folder that holds one model folder per id")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the pipeline computes")
    embed_prompt: bool = Field(True, description="write the prompt into the PNG file's text chunks")
    url_expires_seconds: int = Field(3600, ge=60, le=3600, description="lifetime of a presigned URL")
    gateway_timeout_seconds: float = Field(28, gt=0, le=900, description="time API Gateway waits, less a second")
    allowed_origins: Strings = Field(("*",), description="origins whose pages may call the API (CORS)")
    usd_per_gb_second: float = Field(0.0000166667, ge=0, description="Lambda's price of a GB-second")
    aws_lambda_initialization_type: str = Field("on-demand", description="set by Lambda itself")
    aws_sam_local: bool = Field(False, description="set by `sam local` itself")
    aws_lambda_function_memory_size: int = Field(10240, ge=1, description="MB, set by Lambda itself")

    @field_validator("model_ids", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("model_ids", "allowed_origins")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("expected at least one value, comma separated")
        return value

    @cached_property
    def default_model_id(self) -> str:
        return self.model_ids[0]
