"""The document's schemas: pydantic's, with the error codes and the limits of the deployment's models."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from imagegen.api.key_resources import KeyInfo, KeyList, KeyRequest, NewKeyInfo, RotationRequest
from imagegen.api.limits_report import MonthlyReport, UsageReport
from imagegen.api.openapi.problems import ERRORS
from imagegen.api.openapi.webhooks import JobEvent
from imagegen.api.problem import Problem
from imagegen.api.provenance_resources import ProvenanceCheck
from imagegen.api.resources import Health, Identity, ModelInfo, ModelList
from imagegen.api.upload_resources import UploadInfo, UploadRequest
from imagegen.generation.request import GenerateRequest
from imagegen.generation.result import Result
from imagegen.jobs.view import JobInfo, JobPage

Schema = dict[str, Any]

REQUESTS: Final = (GenerateRequest, KeyRequest, RotationRequest, UploadRequest)
"""Models of what callers send."""
RESPONSES: Final = (
    Health,
    Identity,
    UsageReport,
    MonthlyReport,
    KeyInfo,
    KeyList,
    NewKeyInfo,
    ModelList,
    UploadInfo,
    ProvenanceCheck,
    Result,
    JobInfo,
    JobPage,
    JobEvent,
    Problem,
)
"""Models of what the service sends. Their schemas include the models of their fields."""


class _SchemaGenerator(GenerateJsonSchema):
    """Pydantic's generator without what misleads generators of clients."""

    def field_title_should_be_set(self, _: Any) -> bool:
        """Leave out titles, which only repeat the fields' names."""
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Require every field of a response: the service sends all but those that only some errors have."""
        if "serialization_exclude_if" in field:
            return False
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out defaults: generated TypeScript would require the field. Descriptions have them."""
        return self.generate_inner(schema["schema"])


def schemas(models: Collection[ModelInfo]) -> dict[str, Schema]:
    """Return the schemas of a deployment with these models, by name."""
    modes: Any = [
        *((model, "validation") for model in REQUESTS),
        *((model, "serialization") for model in RESPONSES),
    ]
    _, generated = models_json_schema(
        modes, ref_template="#/components/schemas/{model}", schema_generator=_SchemaGenerator
    )
    found: dict[str, Schema] = generated["$defs"]
    _refer_to_codes(found)
    _apply_limits(found["GenerateRequest"]["properties"], models)
    return found


def _refer_to_codes(found: dict[str, Schema]) -> None:
    found["ErrorCode"] = {
        "type": "string",
        "description": "What went wrong. `docs/api.md` says when each code is used.",
        "enum": sorted(ERRORS),
    }
    for name in ("Problem", "FieldProblem", "JobError"):
        found[name]["properties"]["code"] = {"$ref": "#/components/schemas/ErrorCode"}


def _apply_limits(fields: dict[str, Schema], models: Collection[ModelInfo]) -> None:
    """Narrow the fields' bounds to what at least one of the models accepts, and name the values of each model."""
    limits = [model.limits for model in models]
    size = {"minimum": min(each.min_size for each in limits), "maximum": max(each.max_size for each in limits)}
    fields["width"] |= size
    fields["height"] |= size
    fields["num_inference_steps"]["maximum"] = max(each.max_steps for each in limits)
    fields["num_images_per_prompt"]["maximum"] = max(each.max_images for each in limits)
    _describe(fields["width"], models, "limits {0.limits.min_size} to {0.limits.max_size}, default {0.defaults.width}")
    _describe(
        fields["height"], models, "limits {0.limits.min_size} to {0.limits.max_size}, default {0.defaults.height}"
    )
    _describe(
        fields["num_inference_steps"],
        models,
        "limits 1 to {0.limits.max_steps}, default {0.defaults.num_inference_steps}",
    )
    _describe(fields["guidance_scale"], models, "default {0.defaults.guidance_scale}")
    for model in models:
        schedulers = ", ".join(f"`{each}`" for each in model.schedulers)
        fields["scheduler"]["description"] += f" `{model.id}`: {schedulers}; default `{model.defaults.scheduler}`."
    fields["model"]["description"] += f" This deployment has {', '.join(f'`{model.id}`' for model in models)}."


def _describe(field: Schema, models: Collection[ModelInfo], template: str) -> None:
    for model in models:
        field["description"] += f" `{model.id}`: {template.format(model)}."
