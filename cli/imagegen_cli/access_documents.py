"""What the command line reads of the documents on callers and keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from imagegen_cli.documents import Document


class Identity(Document):
    """The response of GET /me."""

    tenant: str
    principal: str
    roles: list[str]
    scopes: list[str]


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
