"""Show, rotate or retire a tenant's webhook signing secrets (`make webhook-secret`).

TENANT names the tenant, API_KEY one of its keys. Without both, it is the tenant of the stack's own key. A tenant's
secret is made with the tenant, so that its first webhook works.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagegen.access import api_key, tenant
from imagegen.aws.callers import DynamoCallers
from imagegen.errors import InvalidCredentials, ServiceError
from imagegen.webhooks.signature import SigningSecrets
from imagegen.wiring import epoch_ms
from tools.deploy import stack

Action = Literal["show", "rotate", "retire"]


def apply_action(ssm: Any, stack_name: str, owner: str, action: Action) -> SigningSecrets:
    """Perform `action` and return the secrets of the tenant `owner`, newest first.

    If the tenant has no secret, any action creates the first one. Raises botocore's ClientError, and ValueError if the
    stored value is not valid.
    """
    name = f"/{stack_name}/webhooks/{owner}"
    before = _read(ssm, name)
    if before is None:
        after = SigningSecrets.new()
    else:
        after = {"show": before, "rotate": before.rotated(), "retire": before.retired()}[action]
    if after != before:
        ssm.put_parameter(Name=name, Value=str(after), Type="SecureString", Overwrite=before is not None)
    return after


def own_api_key(stack_name: str) -> str:
    """Return the value of the API key that the stack creates. Raises botocore's ClientError, and ValueError if none."""
    key = stack.outputs(boto3.client("cloudformation"), stack_name).get("ApiKeyId")
    if key is None:
        raise ValueError("the stack has no output ApiKeyId")
    return str(boto3.client("apigateway").get_api_key(apiKey=key, includeValue=True)["value"])


def tenant_of(stack_name: str, key: str) -> str:
    """Return the tenant of a key that the stack accepts. Raises ValueError, and errors of AWS."""
    table = stack.resources(boto3.client("cloudformation"), stack_name).get("Table")
    if table is None:
        raise ValueError("the stack has no table")
    try:
        found = DynamoCallers(table, epoch_ms).find(api_key.digest(key))
    except InvalidCredentials:
        found = None
    if found is None:
        raise ValueError("the stack has no such API key. If API Gateway made it: make migrate-keys; or name its TENANT")
    return found.caller.tenant


def _owner(stack_name: str) -> str:
    """Return the tenant that the environment names. Raises as `tenant_of` and `own_api_key`."""
    named, key = os.environ.get("TENANT"), os.environ.get("API_KEY")
    if named and not tenant.is_valid(named):
        raise ValueError(f"TENANT must be {tenant.FORM}")
    if named:
        return named
    return tenant_of(stack_name, key) if key else tenant.of_api_key(own_api_key(stack_name))


def _read(ssm: Any, name: str) -> SigningSecrets | None:
    try:
        value = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise
    try:
        return SigningSecrets.parse(value)
    except ValueError as error:
        raise ValueError(f"the parameter {name}: {error}. Delete it, and a new secret is created") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    parser.add_argument("action", choices=["show", "rotate", "retire", "ensure"])
    arguments = parser.parse_args()
    if arguments.action == "ensure":
        _ensure(arguments.stack_name)
        return
    try:
        owner = _owner(arguments.stack_name)
        after = apply_action(boto3.client("ssm"), arguments.stack_name, owner, arguments.action)
    except (BotoCoreError, ClientError, ServiceError, ValueError) as error:
        sys.exit(f"{arguments.stack_name}: {error}")
    print(*after.values, sep="\n")


def _ensure(stack_name: str) -> None:
    """Make the secret of the stack's own key if it has none, and do not print it: a deployment's log may be public.

    The stack is deployed by now, so a failure is only reported.
    """
    command = f"make webhook-secret ENV={stack_name.partition('-')[2]}"
    try:
        apply_action(boto3.client("ssm"), stack_name, tenant.of_api_key(own_api_key(stack_name)), "show")
    except (BotoCoreError, ClientError, ValueError) as error:
        print(f"The stack's API key has no webhook secret yet ({error}). Create it: {command}", file=sys.stderr)
    else:
        print(f"The stack's API key has a webhook secret. To see it: {command}")


if __name__ == "__main__":
    main()
