"""Give the API keys of a deployment's usage plans their tenants, so that this version's authorizer knows them.

A key of an earlier version is its own tenant, by its hash. This stores the key's digest with that tenant, which keeps
its jobs, images, idempotency keys, bills and webhook secret. It changes no row that exists, and may run again: keys
that were rotated or revoked since stay so. Keys that are disabled, or in no usage plan of the API, are left out. No key
is printed. `make deploy` runs it before the deployment, while the gateway still checks the keys, and again after it,
for the key of a new stack. For keys that are added to the usage plan later: `make migrate-keys`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagegen.access import api_key
from imagegen.access import tenant as tenants
from imagegen.access.ports import KeyStore, StoredKey, Tenant, TenantExists, WebhookSecrets
from imagegen.aws.callers import DynamoCallers
from imagegen.aws.webhook_secrets import SsmWebhookSecrets
from imagegen.errors import InvalidCredentials, ServiceError
from imagegen.wiring import epoch_ms
from tools.deploy import stack


@dataclass(frozen=True)
class Migrated:
    """What became of one API key. `problem` is empty unless it was left out."""

    key_id: str
    name: str
    tenant: str = ""
    problem: str = ""


def migrate(apigateway: Any, rest_api_id: str, store: KeyStore, secrets: WebhookSecrets) -> list[Migrated]:
    """Store every API key of the usage plans of this API. Raises botocore's ClientError, and StorageUnavailable."""
    return [_migrated(key, store, secrets) for key in _api_keys(apigateway, rest_api_id)]


def _api_keys(apigateway: Any, rest_api_id: str) -> Iterator[dict[str, Any]]:
    """Yield the keys, with their values, that any usage plan of the API has; each once."""
    ids: dict[str, None] = {}
    for plan in _all(apigateway, "get_usage_plans", "items"):
        if any(stage["apiId"] == rest_api_id for stage in plan.get("apiStages", [])):
            found = _all(apigateway, "get_usage_plan_keys", "items", usagePlanId=plan["id"])
            ids |= dict.fromkeys(each["id"] for each in found)
    for key_id in ids:
        yield apigateway.get_api_key(apiKey=key_id, includeValue=True)


def _all(apigateway: Any, operation: str, items: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    for page in apigateway.get_paginator(operation).paginate(**arguments):
        yield from page[items]


def _migrated(key: dict[str, Any], store: KeyStore, secrets: WebhookSecrets) -> Migrated:
    key_id, name = key["id"], key.get("name", "")
    if not key.get("enabled", True):
        return Migrated(key_id, name, problem="disabled")
    try:
        digest = api_key.digest(key["value"])
    except InvalidCredentials:
        return Migrated(key_id, name, problem="its value is not 20 to 128 visible ASCII characters")
    tenant = tenants.of_api_key(key["value"])
    created_at = int(key["createdDate"].timestamp())
    secrets.ensure(tenant)
    _ensure_tenant(store, Tenant(tenant, name, created_at))
    store.add_key(StoredKey(tenant, f"apigateway-{key_id}", name, digest, ("user",), created_at))
    return Migrated(key_id, name, tenant)


def _ensure_tenant(store: KeyStore, tenant: Tenant) -> None:
    with suppress(TenantExists):  # it may have another name by now
        store.add_tenant(tenant)


def migrate_stack(stack_name: str, resources: Mapping[str, str]) -> list[Migrated]:
    """Migrate the keys of a stack with these resources. Raises KeyError without a table or API, and as `migrate`."""
    store, secrets = DynamoCallers(resources["Table"], epoch_ms), SsmWebhookSecrets(f"/{stack_name}/webhooks")
    return migrate(boto3.client("apigateway"), resources["Gateway"], store, secrets)


def _before_deployment(stack_name: str) -> list[Migrated]:
    """Migrate the keys of the running stack; there are none if it does not exist, or was never completed."""
    cloudformation = boto3.client("cloudformation")
    if stack.parameters(cloudformation, stack_name) is None:
        return []
    resources = stack.resources(cloudformation, stack_name)
    return migrate_stack(stack_name, resources) if "Gateway" in resources else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    parser.add_argument("--before-deployment", action="store_true", help="the stack may not exist yet")
    parsed = parser.parse_args()
    name: str = parsed.stack_name
    hint = "Nothing was deployed: its callers would lose access" if parsed.before_deployment else "Run it again"
    try:
        if parsed.before_deployment:
            found = _before_deployment(name)
        else:
            found = migrate_stack(name, stack.resources(boto3.client("cloudformation"), name))
    except KeyError as error:
        sys.exit(f"{name}: the stack has no {error}. {hint}.")
    except (BotoCoreError, ClientError, ServiceError) as error:
        sys.exit(f"{name}: {error}. {hint}.")
    for each in found:
        print(f"{each.key_id} {each.name}: {each.problem or f'tenant {each.tenant}'}")


if __name__ == "__main__":
    main()
