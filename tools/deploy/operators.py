"""Keys of operators, who make tenants and their keys over HTTP (`make operator-key`).

`make deploy` makes the first one. This command makes another, also after all are lost: it needs no key, only the right
to write the stack's table. A key is shown once, and stored nowhere.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagegen.access.caller import Caller, Role
from imagegen.access.ports import TenantExists
from imagegen.access.tenant_keys import TenantKeys
from imagegen.aws.callers import DynamoCallers
from imagegen.aws.webhook_secrets import SsmWebhookSecrets
from imagegen.errors import ServiceError
from imagegen.wiring import epoch_ms
from tools.deploy import stack

TENANT: Final = "operators"
"""Tenant of operators' keys, which can also generate: their images and jobs are apart from those of any customer."""
_DEPLOYER: Final = Caller.of(TENANT, "deployment", ["admin"])


def keys_of(stack_name: str, table: str, dynamodb: Any = None, ssm: Any = None) -> TenantKeys:
    """Return the service for the keys of a stack, with the environment's AWS unless clients are given."""
    secrets = SsmWebhookSecrets(f"/{stack_name}/webhooks", ssm)
    return TenantKeys(DynamoCallers(table, epoch_ms, dynamodb), secrets, epoch_ms)


def new_key(keys: TenantKeys, role: Role = "operator") -> str:
    """Make a key and return it. Raises StorageUnavailable."""
    with suppress(TenantExists):
        keys.create_tenant("Operators", TENANT)
    return keys.create_key(TENANT, role, by=_DEPLOYER, roles=[role]).key


def first_key(keys: TenantKeys) -> str | None:
    """Make and return the first operator's key, or None if there has ever been one. Raises StorageUnavailable."""
    return None if keys.keys(TENANT) else new_key(keys)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    parser.add_argument("role", choices=["operator", "admin"])
    parsed = parser.parse_args()
    name: str = parsed.stack_name
    try:
        resources = stack.resources(boto3.client("cloudformation"), name)
        print(new_key(keys_of(name, resources["Table"]), parsed.role))
    except KeyError as error:
        sys.exit(f"{name}: the stack has no {error}")
    except (BotoCoreError, ClientError, ServiceError) as error:
        sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main()
