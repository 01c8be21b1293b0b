"""Response schemas of GET /models and GET /health."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

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

    @classmethod
    def of(cls, model: Model, engine: str) -> Self:
        """Return the registry entry as this deployment serves it."""
        return cls(
            id=model.id,
            family=model.family,
            revision=model.revision,
            engine=engine,
            defaults=model.defaults,
            limits=model.limits,
            schedulers=list(model.schedulers),
        )


class ModelList(ResponseModel):
    """The response of GET /models."""

    default: str = Field(description="Id of the model of a request that names none.")
    models: list[ModelInfo]


class Health(ResponseModel):
    """The response of GET /health."""

    status: Literal["ok"] = "ok"
