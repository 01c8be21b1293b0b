"""Give the traffic back to the version before the last deployment (`make rollback`).

While a deployment runs: stops CodeDeploy, which moves the aliases back at once; CloudFormation takes back the rest.
After it: points each alias to the version before. Not covered: what versions share, such as roles, queues and data.
Repeating it changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tools.deploy import aliases, stack
from tools.deploy.aliases import ALIAS, Live

_RUNNING: Final = ["Created", "Queued", "InProgress", "Baking", "Ready"]
_SETTLED: Final = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
}
_BATCH: Final = 25
"""Deployments that CodeDeploy describes in one call."""


class NothingToDo(Exception):
    """The stack is in a state that this cannot change."""


def roll_back(cloudformation: Any, codedeploy: Any, functions: Any, name: str, report: Callable[[str], None]) -> None:
    """Roll the stack back. Raises NothingToDo, and botocore's ClientError."""
    (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    resources = stack.resources(cloudformation, name)
    if "ServerlessDeploymentApplication" not in resources:
        raise NothingToDo("it was never deployed with CodeDeploy; deploy the earlier tag")
    if found["StackStatus"] == "UPDATE_IN_PROGRESS":
        _stop(cloudformation, codedeploy, name, resources, report)
    elif found["StackStatus"] in _SETTLED:
        _move_back(codedeploy, functions, resources, report)
    else:
        raise NothingToDo(f"it is {found['StackStatus']}; wait until it is settled")


def _stop(
    cloudformation: Any, codedeploy: Any, name: str, resources: Mapping[str, str], report: Callable[[str], None]
) -> None:
    stopped = 0
    for function in aliases.FUNCTIONS:
        for deployment in _deployments(codedeploy, resources, function, _RUNNING):
            codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
            report(f"{function}: stopped {deployment}; its alias goes back to the earlier version")
            stopped += 1
    if not stopped:
        cloudformation.cancel_update_stack(StackName=name)
        report("No traffic is moving: cancelled the update of the stack")
    report("CloudFormation takes back the rest by itself, which takes minutes")


def _move_back(codedeploy: Any, functions: Any, resources: Mapping[str, str], report: Callable[[str], None]) -> None:
    for each in aliases.live(functions, resources):
        if each.version != each.released:
            report(f"{each.function}: runs version {each.version} already, not {each.released}")
            continue
        previous = _previous(codedeploy, resources, each)
        if previous is None:
            report(f"{each.function}: stays at version {each.version}, the first that CodeDeploy deployed")
            continue
        functions.get_function_configuration(FunctionName=each.name, Qualifier=previous)  # raises if it is deleted
        functions.update_alias(
            FunctionName=each.name,
            Name=ALIAS,
            FunctionVersion=previous,
            RoutingConfig={"AdditionalVersionWeights": {}},
        )
        report(f"{each.function}: version {each.version} -> {previous}")
    report("The next `make deploy` releases what it builds: check out the tag to stay with, or the repair, first")


def _previous(codedeploy: Any, resources: Mapping[str, str], live: Live) -> str | None:
    """Return the version that had the traffic before the released one, as CodeDeploy remembers it."""
    for deployment in _deployments(codedeploy, resources, live.function, ["Succeeded"]):
        moved = _target(codedeploy, deployment)
        if moved["targetVersion"] == live.released:
            return str(moved["currentVersion"])
    return None


def _target(codedeploy: Any, deployment: str) -> Mapping[str, str]:
    """Return the versions between which a deployment moved its alias."""
    (target,) = codedeploy.list_deployment_targets(deploymentId=deployment)["targetIds"]
    found = codedeploy.batch_get_deployment_targets(deploymentId=deployment, targetIds=[target])
    function: Mapping[str, str] = found["deploymentTargets"][0]["lambdaTarget"]["lambdaFunctionInfo"]
    return function


def _deployments(codedeploy: Any, resources: Mapping[str, str], function: str, statuses: list[str]) -> Iterator[str]:
    """Yield the deployments of a function's group in these states, the newest first."""
    pages = codedeploy.get_paginator("list_deployments").paginate(
        applicationName=resources["ServerlessDeploymentApplication"],
        deploymentGroupName=resources[f"{function}DeploymentGroup"],
        includeOnlyStatuses=statuses,
    )
    found = [each for page in pages for each in page["deployments"]]
    described = [
        each
        for start in range(0, len(found), _BATCH)
        for each in codedeploy.batch_get_deployments(deploymentIds=found[start : start + _BATCH])["deploymentsInfo"]
    ]
    newest_first = sorted(described, key=lambda each: each["createTime"], reverse=True)
    yield from (each["deploymentId"] for each in newest_first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    name: str = parser.parse_args().stack_name
    try:
        roll_back(boto3.client("cloudformation"), boto3.client("codedeploy"), boto3.client("lambda"), name, print)
    except (NothingToDo, BotoCoreError, ClientError) as error:
        sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main()
