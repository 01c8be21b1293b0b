"""Request and response schemas of the routes under /keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from imagegen.access import tenant as tenants
from imagegen.access.caller import SCOPES, Caller, Role, Scope, scopes_of
from imagegen.access.ports import StoredKey
from imagegen.access.tenant_keys import DEFAULT_OVERLAP_S, MAX_OVERLAP_S, NewKey
from imagegen.errors import InvalidRequest
from imagegen.generation.field_errors import Omitted
from imagegen.generation.request import StrictRequest, Text, optional
from imagegen.generation.result import ResponseModel
from imagegen.problem_details import FieldError

TENANT_SCHEMA: Final[dict[str, Any]] = {"minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$"}
_OWN_TENANT: Final = Omitted("your own tenant")
_TENANT_MESSAGE: Final = f"must be {tenants.FORM}; leave tenant out for {_OWN_TENANT.text}"


def _check_tenant(tenant: str) -> str:
    if not tenants.is_valid(tenant):
        raise PydanticCustomError("out_of_range", "{message}", {"message": _TENANT_MESSAGE})
    return tenant


def tenant_parameter(value: str | None, caller: Caller) -> str:
    """Return the tenant that a query parameter names, by default the caller's own. Raises InvalidRequest."""
    if value is None:
        return caller.tenant
    if not tenants.is_valid(value):
        raise InvalidRequest([FieldError("tenant", "out_of_range", _TENANT_MESSAGE)])
    return value


TenantId = Annotated[str, AfterValidator(_check_tenant), Field(json_schema_extra=TENANT_SCHEMA)]


class KeyRequest(StrictRequest):
    """The body of POST /keys."""

    tenant: Annotated[TenantId | None, _OWN_TENANT] = optional(
        "The tenant of the key; one that does not exist is created, with its webhook secret. Default: your own."
    )
    name: Annotated[Annotated[Text, Field(max_length=100)], Omitted("no name")] = Field(
        "", description="What the key is for. Default: no name."
    )
    roles: Annotated[list[Role], Field(min_length=1, max_length=3), Omitted("the role user")] = Field(
        default=["user"], description="Another role than user needs the scope `roles:grant`. Default: user."
    )
    scopes: Annotated[
        Annotated[list[Scope], Field(min_length=1, max_length=4)] | None, Omitted("all scopes of the roles")
    ] = optional("Limits the key to some scopes of its roles. Default: all of them.")

    @field_validator("scopes")
    @classmethod
    def _of_the_roles(cls, value: list[Scope] | None, info: ValidationInfo) -> list[Scope] | None:
        granted = scopes_of(info.data.get("roles", ()))
        if "roles" in info.data and not granted.issuperset(value or ()):
            names = ", ".join(each for each in SCOPES if each in granted)
            raise PydanticCustomError("out_of_range", f"must be among the scopes of the roles, {names}")
        return value


class RotationRequest(StrictRequest):
    """The body of POST /keys/{key_id}/rotate."""

    tenant: Annotated[TenantId | None, _OWN_TENANT] = optional("The tenant of the key. Default: your own.")
    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_S), Omitted("a day")] = Field(
        DEFAULT_OVERLAP_S, description="How long the old key stays valid beside the new one. Default: 86400, a day."
    )


class KeyInfo(ResponseModel):
    """An API key, without its value."""

    id: str
    tenant: str
    name: str
    roles: list[Role]
    scopes: list[Scope] = Field(description="What the key allows.")
    created_at: datetime
    ends_at: datetime | None = Field(description="From when the key is rejected; null until it is rotated or revoked.")
    replaced_by: str | None = Field(description="The `id` of the key that replaced it in a rotation.")

    @classmethod
    def of(cls, stored: StoredKey, **more: str) -> Self:
        """Return the key as operators see it; `more` are the fields of a subclass."""
        allowed = Caller.of(stored.tenant, "", stored.roles, stored.scopes).scopes
        return cls(
            id=stored.key_id,
            tenant=stored.tenant,
            name=stored.name,
            roles=list(stored.roles),
            scopes=[each for each in SCOPES if each in allowed],
            created_at=datetime.fromtimestamp(stored.created_at, UTC),
            ends_at=None if stored.ends_at is None else datetime.fromtimestamp(stored.ends_at, UTC),
            replaced_by=stored.replaced_by,
            **more,
        )


class NewKeyInfo(KeyInfo):
    """A new API key with its value."""

    key: str = Field(description="The API key. Only this response has it: the service stores a digest.")

    @classmethod
    def of_new(cls, made: NewKey) -> Self:
        """Return the key as its operator sees it once."""
        return cls.of(made.stored, key=made.key)


class KeyList(ResponseModel):
    """The response of GET /keys."""

    keys: list[KeyInfo] = Field(description="Also those that have ended, the oldest first.")
