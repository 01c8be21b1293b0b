"""What the command line reads of the documents on callers, usage and keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from imagegen_cli.documents import Document


class Rate(Document):
    """How often the tenant may call a class of routes."""

    route_class: str
    per_second: float
    burst: int


class TenantLimits(Document):
    """What limits the tenant, and what is left of `month`. None: no limit. Dollars are decimal numbers in strings."""

    rates: list[Rate]
    month: str
    resets_at: str
    monthly_images: int | None = None
    images_left: int | None = None
    monthly_usd: str | None = None
    usd_left: str | None = None
    usd_per_request: str | None = None
    unfinished_jobs: int | None = None


class Identity(Document):
    """The response of GET /me."""

    tenant: str
    principal: str
    roles: list[str]
    scopes: list[str]
    limits: TenantLimits


class Sums(Document):
    """What was used. Dollars are a decimal number in a string."""

    images: int
    seconds: float
    usd: str

    def sums(self) -> tuple[str, str, str]:
        """Return images, seconds and dollars as cells of a table."""
        return f"{self.images:,}", f"{self.seconds:,.1f}", f"${self.usd}"


class ModelUsage(Sums):
    """What was used of one model in one month."""

    month: str
    model: str


class Usage(Sums):
    """The response of GET /usage: the sums of `usage`, which has the oldest month first."""

    usage: list[ModelUsage]


class TenantUsage(ModelUsage):
    """What one tenant used of one model in one month."""

    tenant: str


class ReportPage(Document):
    """The response of GET /report; `cursor` is None on the last page."""

    month: str
    rows: list[TenantUsage]
    cursor: str | None = None


class Key(Document):
    """An API key without its value; `ends_at` is None until it is rotated or revoked."""

    id: str
    tenant: str
    name: str
    roles: list[str]
    scopes: list[str]
    created_at: str
    ends_at: str | None = None
    replaced_by: str | None = None


class NewKey(Key):
    """A key with its value, which no other response has."""

    key: Annotated[str, Field(repr=False)]


class KeyList(Document):
    """The response of GET /keys."""

    keys: list[Key]
