"""The routes under /keys: API keys of tenants, for operators."""

from __future__ import annotations

from typing import Final

from aws_lambda_powertools.event_handler import Response

from imagegen import telemetry
from imagegen.api import scope
from imagegen.api.key_parameters import KeyId, NewKeyBody, RotationBody, TenantParameter
from imagegen.api.key_resources import KeyInfo, KeyList, NewKeyInfo, tenant_parameter
from imagegen.api.openapi.problems import JSON_BODY, KEYED
from imagegen.api.openapi.responses import no_content, problems, success
from imagegen.api.problem import JSON
from imagegen.api.query import query_parameters
from imagegen.api.router import Router

FIELDS: Final = (*JSON_BODY, "wrong_type", "out_of_range")
"""Errors of a body whose fields are all optional."""

router = Router(
    {
        "/keys": {"GET": "tenants:manage", "POST": "tenants:manage"},
        "/keys/<key_id>": {"DELETE": "tenants:manage"},
        "/keys/<key_id>/rotate": {"POST": "tenants:manage"},
    }
)


@router.post(
    "/keys",
    operation_id="createKey",
    tags=["Access"],
    summary="Create an API key",
    description=(
        "Only this response has the key's value. A tenant that does not exist is created. A repeated request creates "
        "another key."
    ),
    responses=success(201, "The key with its value.", NewKeyInfo, ["new_key"])
    | problems(*KEYED, *FIELDS, "invalid_text"),
)
def create_key(body: NewKeyBody):  # type: ignore[no-untyped-def]
    """Create a key, and its tenant if there is none."""
    query_parameters(router.current_event)
    keys, by = scope.current().container.tenant_keys, scope.current().caller
    made = keys.create_first_key(body.tenant or by.tenant, body.name, by=by, roles=body.roles, scopes=body.scopes)
    telemetry.key_changed("created", made.stored.tenant, made.stored.key_id)
    return Response(201, JSON, NewKeyInfo.of_new(made).model_dump_json())


@router.get(
    "/keys",
    operation_id="listKeys",
    tags=["Access"],
    summary="List a tenant's API keys",
    description="The keys without their values, the oldest first, also those that have ended.",
    responses=success(200, "The keys.", KeyList, ["keys"]) | problems(*KEYED, "out_of_range", "tenant_not_found"),
)
def list_keys(_tenant: TenantParameter = None):  # type: ignore[no-untyped-def]
    """Return the keys of a tenant."""
    by = scope.current().caller
    tenant = tenant_parameter(query_parameters(router.current_event, "tenant").get("tenant"), by)
    found = scope.current().container.tenant_keys.listed(tenant, by=by)
    return Response(200, JSON, KeyList(keys=[KeyInfo.of(each) for each in found]).model_dump_json())


@router.post(
    "/keys/<key_id>/rotate",
    operation_id="rotateKey",
    tags=["Access"],
    summary="Replace an API key",
    description=(
        "Creates a key with the same tenant, name, roles and scopes, and ends the old one after an overlap. The "
        "tenant keeps its jobs, images, idempotency keys and webhook secret. Only this response has the key's value."
    ),
    responses=(
        success(201, "The new key with its value.", NewKeyInfo, ["new_key"])
        | problems(*KEYED, *FIELDS, "key_not_found", "key_ended")
    ),
)
def rotate_key(key_id: KeyId, body: RotationBody):  # type: ignore[no-untyped-def]
    """Replace a key; both are valid during the overlap."""
    query_parameters(router.current_event)
    keys, by = scope.current().container.tenant_keys, scope.current().caller
    made = keys.rotate(body.tenant or by.tenant, key_id, by=by, overlap_s=body.overlap_seconds)
    telemetry.key_changed("rotated", made.stored.tenant, key_id)
    return Response(201, JSON, NewKeyInfo.of_new(made).model_dump_json())


@router.delete(
    "/keys/<key_id>",
    operation_id="revokeKey",
    tags=["Access"],
    summary="Revoke an API key",
    description="The next request with the key is rejected. It stays in the list. Safe to repeat.",
    responses=no_content("The key has ended.") | problems(*KEYED, "out_of_range", "key_not_found"),
)
def revoke_key(key_id: KeyId, _tenant: TenantParameter = None):  # type: ignore[no-untyped-def]
    """End a key now; one that has ended stays as it is."""
    by = scope.current().caller
    tenant = tenant_parameter(query_parameters(router.current_event, "tenant").get("tenant"), by)
    scope.current().container.tenant_keys.revoke(tenant, key_id, by=by)
    telemetry.key_changed("revoked", tenant, key_id)
    return Response(204, body="")
