"""The only reader of the environment. All invalid values are reported at once, before any request is served."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Strings = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list in the environment."""


_LIMITS: Final = (
    *("drawing_per_second", "submitting_per_second", "looking_per_second"),
    *("monthly_images", "monthly_usd", "usd_per_request", "tenant_queue_depth", "queue_depth"),
)
"""Settings of which an empty value, like 0, is no limit."""
DISK_RESERVE_MB: Final = 64
"""Of the disk: for locks, and for what libraries write."""
_SIGNING_KEY: Final = r"|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+|file:/.+"
_REDIS: Final = re.compile(
    r"(rediss?://([A-Za-z0-9._-]{1,128}@)?[A-Za-z0-9]([A-Za-z0-9.-]{0,252})(:[0-9]{1,5})?(/[0-9]{1,3})?)?"
)
_PASSWORD: Final = re.compile(r"(ssm:(/[A-Za-z0-9._-]+)+)?")
_DOMAIN: Final = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_PUBLIC_KEY: Final = re.compile(
    r"|MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE[A-Za-z0-9+/]{28},[A-Za-z0-9+/]{58}=="
    r"|MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA[A-Za-z0-9+/]{20}(,[A-Za-z0-9+/]{64}){5},[A-Za-z0-9+/]{8}"
)
"""The body of a public key in PEM. The algorithm, the curve and the size are in its first bytes."""
_LISTS: Final = re.compile(r"s3://[a-z0-9.-]{3,63}/moderation/[A-Za-z0-9._/-]{1,200}|ssm:(/[A-Za-z0-9._-]+)+")

_CONFIG: Final = SettingsConfigDict(frozen=True, extra="ignore", defer_build=True)
"""A process uses one of the classes, so only the schema of that one is built."""


class Settings(BaseSettings):
    """A deployment's settings. Each field is the environment variable of the same name in upper case.

    Raises pydantic.ValidationError, which names every variable that is missing or invalid.
    """

    model_config = _CONFIG

    bucket_name: str = Field(min_length=3, max_length=63, description="bucket for generated images")
    table_name: str = Field(
        min_length=3, max_length=255, description="table of jobs, bills, idempotency keys and leases"
    )
    jobs_queue_url: str = Field(min_length=1, description="queue of jobs that wait for a worker")
    jobs_dead_letters_url: str = Field(min_length=1, description="dead-letter queue of the jobs queue")
    image_days: int = Field(7, ge=1, le=3650, description="days that images and jobs are kept")
    model_ids: Strings = Field(("demo",), description="registry ids of the models to offer; the first is the default")
    models_dir: Path = Field(Path("/opt/models"), description="folder with one model folder per id")
    model_rollout: str = Field(
        "",
        pattern=r"^$|^(/[A-Za-z0-9._-]+)+$",
        description="parameter that names the default version and those of the bucket; empty: only models in the image",
    )
    model_storage_mb: int = Field(512, ge=512, le=10240, description="disk in MB, for versions from the bucket")
    model_storage_dir: Path = Field(Path("/tmp/models"), description="folder for versions from the bucket")  # noqa: S108
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="device that the pipeline runs on")
    engines: Strings = Field(("openvino", "torch"), description="engines in the image: openvino, torch or both")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="compute precision; auto: the fastest that the CPU supports; with AMX, bfloat16 needs two threads",
    )
    threads: int = Field(0, ge=0, le=256, description="compute threads; 0: one per vCPU")
    embed_prompt: bool = Field(True, description="write the prompt into the image files")
    url_expires_seconds: int = Field(3600, ge=60, le=3600, description="lifetime of presigned URLs")
    gateway_timeout_seconds: float = Field(
        28, gt=0, le=900, description="time limit of a request: API Gateway's timeout, less one second"
    )
    allowed_origins: Strings = Field(("*",), description="origins that may call the API (CORS)")
    usd_per_gb_second: float = Field(0.0000166667, ge=0, description="Lambda's price per GB-second")
    worker_memory_mb: int = Field(10240, ge=1, description="memory of the workers in MB: what a job may cost")
    drawing_per_second: float = Field(
        0, ge=0, le=1_000_000, description="POST /generate for each tenant in the long run; 0: no limit"
    )
    drawing_burst: int = Field(10, ge=1, le=1_000_000, description="the same, at once")
    submitting_per_second: float = Field(
        0, ge=0, le=1_000_000, description="other requests that change something, for each tenant; 0: no limit"
    )
    submitting_burst: int = Field(10, ge=1, le=1_000_000, description="the same, at once")
    looking_per_second: float = Field(0, ge=0, le=1_000_000, description="GET for each tenant; 0: no limit")
    looking_burst: int = Field(40, ge=1, le=1_000_000, description="the same, at once")
    monthly_images: int = Field(0, ge=0, description="images of each tenant in a month (UTC); 0: no limit")
    monthly_usd: Decimal = Field(
        Decimal(0), ge=0, description="US dollars of each tenant in a month, used and reserved; 0: no limit"
    )
    usd_per_request: Decimal = Field(
        Decimal(0), ge=0, description="US dollars that a request may cost, and that a job reserves; 0: no limit"
    )
    tenant_queue_depth: int = Field(0, ge=0, description="unfinished jobs of each tenant; 0: no limit")
    queue_depth: int = Field(0, ge=0, description="unfinished jobs of all tenants; 0: no limit")
    moderation: bool = Field(True, description="judge prompts and pictures; false: draw whatever is asked for")
    moderation_lists: str = Field(
        "", description="word lists, s3://<bucket>/moderation/... or ssm:/<name>; empty: those of the package"
    )
    picture_check: Literal["auto", "on", "off"] = Field(
        "auto", description="judge pictures; auto: of every model but the demo model; on: of all; off: of none"
    )
    picture_checker: Literal["networks", "safety_checker"] = Field(
        "networks", description="what judges pictures: nsfwjs and open_nsfw, or diffusers' safety checker"
    )
    picture_thresholds: str = Field(
        "",
        description="scores above which pictures are blocked, by tenant, as JSON (docs/moderation.md); empty: defaults",
    )
    webhooks_queue_url: str = Field(min_length=1, description="queue of webhooks to deliver")
    webhooks_dead_letters_url: str = Field(min_length=1, description="dead-letter queue of the webhooks queue")
    webhook_secrets_path: str = Field(
        min_length=1, description="path of the tenants' signing secrets in SSM Parameter Store"
    )
    content_credentials_key: str = Field(
        "", description="KMS key that signs pictures, or file:/path of a development key; empty: none is signed"
    )
    content_credentials_chain: str = Field(
        "provenance/certificate-chain.pem",
        min_length=1,
        description="the key's certificates, the signer's first: an object of the bucket, or file:/path",
    )
    content_credentials_anchors: str = Field(
        "provenance/trust-anchors.pem",
        min_length=1,
        description="authorities that POST /verify trusts: an object of the bucket that may be absent, or file:/path",
    )
    redis_url: str = Field(
        "",
        description="Redis or Valkey in front of S3 and DynamoDB, redis://[user@]host[:port][/database], or rediss:// "
        "with TLS; empty: none",
    )
    redis_password: str = Field("", description="its password, ssm:/<name> of a SecureString; empty: none")
    redis_cluster: bool = Field(False, description="it is a cluster")
    redis_timeout_ms: int = Field(50, ge=5, le=1000, description="time-out for connecting to it, and for each answer")
    cdn_domain: str = Field("", description="domain of the CloudFront distribution; empty: URLs are S3's")
    cdn_key_id: str = Field("", description="id of the public key in CloudFront that verifies URLs")
    cdn_public_key: str = Field("", description="that key in base64, its lines separated by commas")
    cdn_private_key_parameter: str = Field("", description="SSM parameter with the private key that signs URLs")
    aws_region: str = Field("", description="set by Lambda; receipts have its prices")
    aws_lambda_initialization_type: str = Field("", description="set by Lambda; empty elsewhere")
    aws_sam_local: bool = Field(False, description="set by `sam local`")
    onednn_max_cpu_isa: str = Field("", description="instruction sets that oneDNN may use; oneDNN also reads it")
    aws_lambda_function_memory_size: int = Field(10240, ge=1, description="memory in MB, set by Lambda")

    @field_validator(*_LIMITS, mode="before")
    @classmethod
    def _no_limit(cls, value: object) -> object:
        return 0 if value == "" else value

    @field_validator("model_ids", "engines", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("model_ids", "engines", "allowed_origins")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("expected at least one value, comma-separated")
        return value

    @field_validator("engines")
    @classmethod
    def _known_engines(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not set(value) <= {"openvino", "torch"}:
            raise ValueError("expected openvino, torch or both, comma-separated")
        return value

    @field_validator("cdn_domain")
    @classmethod
    def _is_domain(cls, value: str) -> str:
        if value and not _DOMAIN.fullmatch(value):
            raise ValueError("expected a domain in lower case, such as images.example.com, or nothing")
        return value

    @field_validator("cdn_public_key")
    @classmethod
    def _is_public_key(cls, value: str) -> str:
        if not _PUBLIC_KEY.fullmatch(value):
            raise ValueError("expected a public key (ECDSA on P-256 or RSA of 2048 bits) in base64, or nothing")
        return value

    @field_validator("content_credentials_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        if not re.fullmatch(_SIGNING_KEY, value):
            raise ValueError("expected the ARN of a KMS key (not of an alias), file:/path, or nothing")
        return value

    @model_validator(mode="after")
    def _gpu_needs_torch(self) -> Self:
        if self.device == "cuda" and "torch" not in self.engines:
            raise ValueError("DEVICE=cuda requires torch in ENGINES")
        return self

    @field_validator("moderation_lists")
    @classmethod
    def _place_of_lists(cls, value: str) -> str:
        if value and not _LISTS.fullmatch(value):
            raise ValueError("expected s3://<bucket>/moderation/<name> or ssm:/<name>")
        return value

    @model_validator(mode="after")
    def _lists_in_the_bucket(self) -> Self:
        bucket = self.moderation_lists.removeprefix("s3://").partition("/")[0]
        if self.moderation_lists.startswith("s3:") and bucket != self.bucket_name:
            raise ValueError("MODERATION_LISTS must be in the bucket BUCKET_NAME: no function may read another one")
        return self

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str) -> str:
        if not _REDIS.fullmatch(value):
            raise ValueError(
                "expected redis:// or rediss://[user@]host[:port][/database]; REDIS_PASSWORD for a password"
            )
        return value

    @field_validator("redis_password")
    @classmethod
    def _is_in_ssm(cls, value: str) -> str:
        if not _PASSWORD.fullmatch(value):
            raise ValueError("expected ssm:/<name>: the password itself would be readable in the template")
        return value

    @model_validator(mode="after")
    def _redis_is_whole(self) -> Self:
        if (self.redis_password or self.redis_cluster) and not self.redis_url:
            raise ValueError("REDIS_PASSWORD and REDIS_CLUSTER need REDIS_URL")
        if self.redis_cluster and self.redis_url.count("/") > 2 and not self.redis_url.endswith("/0"):
            raise ValueError("REDIS_URL must name no database: a cluster has only database 0")
        return self

    @model_validator(mode="after")
    def _cdn_is_whole(self) -> Self:
        values = [self.cdn_domain, self.cdn_key_id, self.cdn_public_key, self.cdn_private_key_parameter]
        if any(values) and not all(values):
            raise ValueError("CDN_DOMAIN, CDN_KEY_ID, CDN_PUBLIC_KEY and CDN_PRIVATE_KEY_PARAMETER: set all or none")
        return self

    @property
    def moderation_lists_place(self) -> tuple[Literal["", "s3", "ssm"], str]:
        """Where the word lists are: a key of the bucket, or the name of a parameter. Empty: in the package."""
        if self.moderation_lists.startswith("s3:"):
            return "s3", self.moderation_lists.removeprefix(f"s3://{self.bucket_name}/")
        return ("ssm", self.moderation_lists.removeprefix("ssm:")) if self.moderation_lists else ("", "")

    @property
    def largest_models_bytes(self) -> int:
        """Bytes that all versions from the bucket may have on this disk, together."""
        return (self.model_storage_mb - DISK_RESERVE_MB) * 1024**2

    @property
    def provisioned(self) -> bool:
        """Whether Lambda started this environment for provisioned concurrency, before any request."""
        return self.aws_lambda_initialization_type == "provisioned-concurrency"

    @property
    def default_model_id(self) -> str:
        """The model of a request that names none."""
        return self.model_ids[0]


class WarmerSettings(BaseSettings):
    """The settings of the warmer, which needs nothing else of the deployment."""

    model_config = _CONFIG

    warmed_function: str = Field(min_length=1, description="alias of the function that is pinged")
    warm_environments: int = Field(1, ge=1, le=50, description="environments to keep warm")


class RolloutCheckSettings(BaseSettings):
    """The settings of the check of new versions: those that say what a picture must be, as in Settings."""

    model_config = _CONFIG

    bucket_name: str = Field(min_length=3, max_length=63, description="bucket for generated images")
    moderation: bool = Field(True, description="whether a forbidden prompt must be refused")
    moderation_lists: str = Field("", description="word lists in place of the package's")
    content_credentials_key: str = Field("", description="KMS key that signs pictures; empty: none is signed")
    warm_environments: int = Field(0, ge=0, le=50, description="environments of a new version to warm")
    new_versions: dict[str, tuple[str, str]] = Field(
        {}, description="JSON object: deployment group to the function's logical id and the ARN of its new version"
    )


class AuthorizerSettings(BaseSettings):
    """The settings of the authorizer, which needs nothing else of the deployment."""

    model_config = _CONFIG

    table_name: str = Field(min_length=3, max_length=255, description="table of tenants and API keys")
    token_issuers: str = Field(
        "", description="trusted issuers of JWTs, as a JSON list (access/issuer.py); empty: none"
    )
