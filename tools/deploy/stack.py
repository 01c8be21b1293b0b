"""Look up a deployed stack: its parameters, outputs and resources."""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

_DELETED: Final = {"DELETE_COMPLETE", "DELETE_SKIPPED"}
"""The second is retained, such as an earlier version of a function, but no part of the stack."""


def parameters(cloudformation: Any, name: str) -> dict[str, str] | None:
    """Return the parameters of a stack, or None if there is no such stack. Raises botocore's ClientError."""
    try:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # CloudFormation has no other code for it
            return None
        raise
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}


def outputs(cloudformation: Any, name: str) -> dict[str, str]:
    """Return the outputs of a stack. Raises botocore's ClientError, also if there is no such stack."""
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def resources(cloudformation: Any, name: str) -> dict[str, str]:
    """Return the physical names of the stack's resources by logical ID, without those that are no longer in it."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceStatus"] not in _DELETED and each.get("PhysicalResourceId")
    }
