"""`make rollback` and what `make deploy` refuses after it. botocore's Stubber: moto knows no targets of CodeDeploy."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tools.deploy import aliases, stack
from tools.deploy.aliases import FUNCTIONS, gradual_problem, released
from tools.deploy.rollback import NothingToDo, roll_back

STACK = "imagegen-dev"
PAGE = 25
"""Deployments that CodeDeploy describes at once, and here also those of a page."""
ARN = "arn:aws:lambda:us-east-1:111122223333:function"


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


class Aws:
    """Stubbed clients, and what is expected of them next."""

    def __init__(self, stack: ExitStack):
        self.clients = {name: client(name) for name in ("cloudformation", "codedeploy", "lambda")}
        self.stubs = {name: stack.enter_context(Stubber(each)) for name, each in self.clients.items()}
        self.printed: list[str] = []

    def stack(self, status: str, resources: dict[str, str]) -> None:
        now = datetime(2026, 11, 27, tzinfo=UTC)
        described = {"StackName": STACK, "CreationTime": now, "StackStatus": status}
        self.stubs["cloudformation"].add_response("describe_stacks", {"Stacks": [described]})
        summaries = [
            {
                "LogicalResourceId": name,
                "PhysicalResourceId": physical,
                "ResourceType": "-",
                "LastUpdatedTimestamp": now,
                "ResourceStatus": "UPDATE_COMPLETE",
            }
            for name, physical in resources.items()
        ]
        self.stubs["cloudformation"].add_response("list_stack_resources", {"StackResourceSummaries": summaries})

    def deployments(self, function: str, statuses: list[str], *ids: str) -> None:
        """The first one is the newest; CodeDeploy lists them in any order."""
        asked = {
            "applicationName": "app",
            "deploymentGroupName": f"group-{function}",
            "includeOnlyStatuses": statuses,
        }
        newest = datetime(2026, 11, 27, 12, tzinfo=UTC)
        described = sorted(
            ({"deploymentId": each, "createTime": newest - timedelta(minutes=index)} for index, each in enumerate(ids)),
            key=lambda each: str(each["deploymentId"]),
        )
        names, stub = [each["deploymentId"] for each in described], self.stubs["codedeploy"]
        for start in range(0, max(1, len(names)), PAGE):
            more = {"nextToken": str(start)} if start + PAGE < len(names) else {}
            stub.add_response("list_deployments", {"deployments": names[start : start + PAGE], **more}, asked)
            asked = {**asked, **more}
        for start in range(0, len(names), PAGE):
            batch = {"deploymentIds": names[start : start + PAGE]}
            stub.add_response("batch_get_deployments", {"deploymentsInfo": described[start : start + PAGE]}, batch)

    def target(self, deployment: str, current: str, target: str) -> None:
        stub = self.stubs["codedeploy"]
        stub.add_response("list_deployment_targets", {"targetIds": ["t"]}, {"deploymentId": deployment})
        info = {"lambdaFunctionInfo": {"currentVersion": current, "targetVersion": target}}
        answer = {"deploymentTargets": [{"deploymentTargetType": "LambdaTarget", "lambdaTarget": info}]}
        stub.add_response("batch_get_deployment_targets", answer, {"deploymentId": deployment, "targetIds": ["t"]})

    def alias(self, function: str, version: str) -> None:
        answer = {"FunctionVersion": version}
        self.stubs["lambda"].add_response("get_alias", answer, {"FunctionName": f"fn-{function}", "Name": "live"})

    def moves(self, function: str, version: str) -> None:
        name = f"fn-{function}"
        stub = self.stubs["lambda"]
        stub.add_response("get_function_configuration", {}, {"FunctionName": name, "Qualifier": version})
        moved = {
            "FunctionName": name,
            "Name": "live",
            "FunctionVersion": version,
            "RoutingConfig": {"AdditionalVersionWeights": {}},
        }
        stub.add_response("update_alias", {}, moved)

    def roll_back(self) -> None:
        cloudformation, codedeploy, functions = self.clients.values()
        roll_back(cloudformation, codedeploy, functions, STACK, self.printed.append)
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def aws() -> Any:
    with ExitStack() as stack:
        yield Aws(stack)


def resources(*functions: str, version: str = "12") -> dict[str, str]:
    found = {"ServerlessDeploymentApplication": "app", "CoreLayer0123456789": "arn:layer:3"}
    for each in functions:
        found |= {
            each: f"fn-{each}",
            f"{each}DeploymentGroup": f"group-{each}",
            f"{each}Aliaslive": f"{ARN}:fn-{each}:live",
            f"{each}Version0123456789": f"{ARN}:fn-{each}:{version}",
        }
    return found


def test_the_newest_version_of_a_function_is_the_released_one() -> None:
    found = resources("Api", version="9") | {"ApiVersionabcdef0123": f"{ARN}:fn-Api:10"}
    assert released(found, "Api") == "10"
    assert released(found, "Worker") is None


def test_each_alias_goes_back_to_the_version_before_the_last_deployment(aws: Aws) -> None:
    """Not to the number before: a deployment that failed published it."""
    aws.stack("UPDATE_COMPLETE", resources("Generator", "Api"))
    for function in ("Generator", "Api"):
        aws.alias(function, "12")
    for function, before in (("Generator", "10"), ("Api", "11")):
        aws.deployments(function, ["Succeeded"], "d-NEWEST", "d-ALSO")
        aws.target("d-NEWEST", before, "12")
        aws.moves(function, before)
    aws.roll_back()
    assert aws.printed[:2] == ["Generator: version 12 -> 10", "Api: version 12 -> 11"]


def test_the_newest_deployment_may_be_listed_last(aws: Aws) -> None:
    aws.stack("UPDATE_COMPLETE", resources("Api"))
    aws.alias("Api", "12")
    aws.deployments("Api", ["Succeeded"], "d-ZZ", *(f"d-{number:02}" for number in range(2 * PAGE)))
    aws.target("d-ZZ", "11", "12")
    aws.moves("Api", "11")
    aws.roll_back()
    assert aws.printed[0] == "Api: version 12 -> 11"


def test_repeating_it_changes_nothing(aws: Aws) -> None:
    aws.stack("UPDATE_COMPLETE", resources("Generator"))
    aws.alias("Generator", "10")
    aws.roll_back()
    assert aws.printed[0] == "Generator: runs version 10 already, not 12"


def test_a_function_without_an_earlier_deployment_stays(aws: Aws) -> None:
    aws.stack("UPDATE_COMPLETE", resources("Api"))
    aws.alias("Api", "12")
    aws.deployments("Api", ["Succeeded"], "d-OLDER")
    aws.target("d-OLDER", "3", "4")
    aws.roll_back()
    assert aws.printed[0] == "Api: stays at version 12, the first that CodeDeploy deployed"


RUNNING = ["Created", "Queued", "InProgress", "Baking", "Ready"]


def test_a_running_deployment_is_stopped(aws: Aws) -> None:
    aws.stack("UPDATE_IN_PROGRESS", resources(*FUNCTIONS))
    for function in FUNCTIONS:
        running = ["d-RUNS"] if function == "Worker" else []
        aws.deployments(function, RUNNING, *running)
        for each in running:
            stopped = {"deploymentId": each, "autoRollbackEnabled": True}
            aws.stubs["codedeploy"].add_response("stop_deployment", {"status": "Pending"}, stopped)
    aws.roll_back()
    assert aws.printed[0] == "Worker: stopped d-RUNS; its alias goes back to the earlier version"


def test_an_update_that_moves_no_traffic_is_cancelled(aws: Aws) -> None:
    aws.stack("UPDATE_IN_PROGRESS", resources(*FUNCTIONS))
    for function in FUNCTIONS:
        aws.deployments(function, RUNNING)
    aws.stubs["cloudformation"].add_response("cancel_update_stack", {}, {"StackName": STACK})
    aws.roll_back()
    assert "cancelled the update" in aws.printed[0]


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "DELETE_IN_PROGRESS"])
def test_a_stack_in_another_state_is_left_alone(aws: Aws, status: str) -> None:
    aws.stack(status, resources("Api"))
    with pytest.raises(NothingToDo, match=status):
        aws.roll_back()


def test_a_stack_that_was_never_deployed_with_code_deploy_says_the_way_out(aws: Aws) -> None:
    aws.stack("UPDATE_COMPLETE", {"Generator": "fn-Generator"})
    with pytest.raises(NothingToDo, match="deploy the earlier tag"):
        aws.roll_back()


def test_a_gradual_rollout_after_a_rollback_is_refused(aws: Aws) -> None:
    """CloudFormation would name the version that was rolled back as the one that keeps most of the traffic."""
    aws.alias("Generator", "10")
    problem = gradual_problem(aws.clients["lambda"], resources("Generator"), "Canary10Percent5Minutes")
    assert "Generator runs version 10, not 12" in str(problem)
    assert "Rollout=AllAtOnce" in str(problem)
    assert gradual_problem(aws.clients["lambda"], resources("Generator"), "AllAtOnce") is None
    aws.alias("Generator", "12")
    assert gradual_problem(aws.clients["lambda"], resources("Generator"), "Canary10Percent5Minutes") is None


def test_a_stack_without_aliases_is_not_asked(aws: Aws) -> None:
    assert aliases.live(aws.clients["lambda"], {"Generator": "fn-Generator"}) == []


@pytest.mark.parametrize("status", ["DELETE_COMPLETE", "DELETE_SKIPPED"])
def test_a_version_that_is_no_longer_in_the_stack_was_not_released(status: str) -> None:
    cloudformation, now = client("cloudformation"), datetime(2026, 11, 27, tzinfo=UTC)
    summaries = [
        {
            "LogicalResourceId": f"ApiVersion{number:010}",
            "PhysicalResourceId": f"{ARN}:api:{number}",
            "ResourceType": "AWS::Lambda::Version",
            "LastUpdatedTimestamp": now,
            "ResourceStatus": state,
        }
        for number, state in ((1, "CREATE_COMPLETE"), (2, status))
    ]
    with Stubber(cloudformation) as stubbed:
        stubbed.add_response("list_stack_resources", {"StackResourceSummaries": summaries})
        assert released(stack.resources(cloudformation, STACK), "Api") == "1"
