"""After a deployment: make the first operator's key, and give the stack's own API key its tenant (`make deploy`).

The stack is deployed by now, so a failure is only reported, with the commands that repeat each step.
"""

from __future__ import annotations

import argparse
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagegen.errors import ServiceError
from tools.deploy import operators, stack
from tools.deploy.migrate_keys import migrate_stack


def make(stack_name: str) -> str | None:
    """Do both, and return the operator's key if it is the first. Repeating it changes nothing.

    Raises KeyError if the stack has no table or API, StorageUnavailable, and botocore's errors.
    """
    resources = stack.resources(boto3.client("cloudformation"), stack_name)
    migrate_stack(stack_name, resources)
    return operators.first_key(operators.keys_of(stack_name, resources["Table"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    name: str = parser.parse_args().stack_name
    environment = f"ENV={name.partition('-')[2]}"
    try:
        key = make(name)
    except (BotoCoreError, ClientError, ServiceError, KeyError) as error:
        print(
            f"The stack is deployed, but its keys are not complete ({error}). Complete them: "
            f"make migrate-keys {environment}; make operator-key {environment}",
            file=sys.stderr,
        )
        return
    if key is not None:
        print(f"The first operator's key, which is shown only now: {key}")
        print(f"To make another one: make operator-key {environment}")


if __name__ == "__main__":
    main()
