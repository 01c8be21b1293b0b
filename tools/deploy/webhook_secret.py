"""Show, rotate or retire a tenant's webhook signing secrets (`make webhook-secret`)."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Literal

import boto3
from botocore.exceptions import ClientError

from imagegen.access import tenant
from imagegen.webhooks.signature import SigningSecrets

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
    parser.add_argument("action", choices=["show", "rotate", "retire"])
    arguments = parser.parse_args()
    key = os.environ.get("API_KEY", "")
    if not key:
        sys.exit('API_KEY is missing: make webhook-secret API_KEY="..."')
    try:
        after = apply_action(boto3.client("ssm"), arguments.stack_name, tenant.of_api_key(key), arguments.action)
    except (ClientError, ValueError) as error:
        sys.exit(f"{arguments.stack_name}: {error}")
    print(*after.values, sep="\n")


if __name__ == "__main__":
    main()
