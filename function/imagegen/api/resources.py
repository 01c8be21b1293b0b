"""Response schemas of GET /models, GET /me and GET /health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field

from imagegen.access.caller import ROLES, SCOPES, Caller, Role, Scope
from imagegen.api.limits_report import LimitsInfo
from imagegen.catalog.features import Feature
from imagegen.catalog.ports import OnOffer
from imagegen.catalog.registry import Defaults, Family, Model, ModelLimits
from imagegen.generation.result import ResponseModel


class VersionInfo(ResponseModel):
    """One version of a model."""

    version: str = Field(description="A value of `model` that means this version, whatever is current.")
    revision: str
    source: Literal["image", "bucket"] = Field(description="Where it is: in the deployment's image or in its bucket.")

    @classmethod
    def of(cls, model: Model) -> Self:
        """Return the entry of a version."""
        return cls(
            version=model.version, revision=model.revision, source="bucket" if model.source == "bucket" else "image"
        )


class ModelInfo(ResponseModel):
    """A model with the defaults and limits of its current version; sizes are in pixels."""

    id: str
    family: Family
    revision: str
    version: str = Field(description="The version that a request gets whose `model` is the id.")
    versions: list[VersionInfo] = Field(description="All versions on offer.")
    engine: str
    defaults: Defaults
    limits: ModelLimits
    schedulers: list[str]
    features: list[Feature] = Field(
        description="What it offers beyond text to image: `image_to_image` for `image`, `inpainting` for `mask_image`, "
        "`upscale`, and `transparent_background` for `background`."
    )

    @classmethod
    def of(cls, model: Model, versions: Sequence[Model], engine: str, features: Sequence[Feature]) -> Self:
        """Return the current version of a model as this deployment serves it, with all of its versions."""
        return cls(
            id=model.id,
            family=model.family,
            revision=model.revision,
            version=model.version,
            versions=[VersionInfo.of(each) for each in versions],
            engine=engine,
            defaults=model.defaults,
            limits=model.limits,
            schedulers=list(model.schedulers),
            features=list(features),
        )


class ModelList(ResponseModel):
    """The response of GET /models."""

    default: str = Field(description="Id of the model of a request that names none.")
    default_version: str = Field(description="The version that such a request gets.")
    aliases: dict[str, str] = Field(description="Other values of `model`, and the version that each means now.")
    models: list[ModelInfo]

    @classmethod
    def of(cls, offer: OnOffer, engine: str, features: Sequence[Feature]) -> Self:
        """Return what a deployment offers. A model that only its versions name is shown with the last of them."""
        by_id: dict[str, list[Model]] = {}
        for version in offer.versions:
            by_id.setdefault(version.id, []).append(version)
        return cls(
            default=offer.default.id,
            default_version=offer.default.version,
            aliases={name: model.version for name, model in offer.aliases.items()},
            models=[
                ModelInfo.of(offer.current.get(name, versions[-1]), versions, engine, features)
                for name, versions in by_id.items()
            ],
        )


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
