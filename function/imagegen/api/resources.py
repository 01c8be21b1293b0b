"""Response schemas of GET /models, GET /me and GET /health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field

from imagegen.access.caller import ROLES, SCOPES, Caller, Role, Scope
from imagegen.api.limits_report import LimitsInfo
from imagegen.catalog.features import Feature
from imagegen.catalog.registry import Defaults, Family, Model, ModelLimits
from imagegen.generation.result import ResponseModel


class ModelInfo(ResponseModel):
    """A model with its defaults and limits; sizes are in pixels."""

    id: str
    family: Family
    revision: str
    engine: str
    defaults: Defaults
    limits: ModelLimits
    schedulers: list[str]
    features: list[Feature] = Field(
        description="What it offers beyond text to image: `image_to_image` for `image`, `inpainting` for `mask_image`, "
        "`upscale`, and `transparent_background` for `background`."
    )

    @classmethod
    def of(cls, model: Model, engine: str, features: Sequence[Feature]) -> Self:
        """Return the registry entry as this deployment serves it."""
        return cls(
            id=model.id,
            family=model.family,
            revision=model.revision,
            engine=engine,
            defaults=model.defaults,
            limits=model.limits,
            schedulers=list(model.schedulers),
            features=list(features),
        )


class ModelList(ResponseModel):
    """The response of GET /models."""

    default: str = Field(description="Id of the model of a request that names none.")
    models: list[ModelInfo]


class Identity(ResponseModel):
    """The response of GET /me."""

    tenant: str = Field(description="Owns your jobs, images and webhook secret. It stays when you rotate a key.")
    principal: str = Field(
        description="Names your credential in the deployment's logs: an API key or a token's subject."
    )
    roles: list[Role] = Field(description="Roles of your credential.")
    scopes: list[Scope] = Field(description="What your credential may do.")
    limits: LimitsInfo = Field(description="What limits your tenant, and what is left of it this month.")

    @classmethod
    def of(cls, caller: Caller, limits: LimitsInfo) -> Self:
        """Return the caller as it sees itself."""
        return cls(
            tenant=caller.tenant,
            principal=caller.principal,
            roles=[each for each in ROLES if each in caller.roles],
            scopes=[each for each in SCOPES if each in caller.scopes],
            limits=limits,
        )


class Health(ResponseModel):
    """The response of GET /health."""

    status: Literal["ok"] = "ok"
