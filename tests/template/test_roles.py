"""Least privilege: each role has exactly the actions and resources that its function uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.evaluate import Resources, Template, evaluate

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
WITHOUT_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
"""Actions without resource-level permissions: IAM accepts only `*`."""


@pytest.fixture(scope="module")
def roles(template: Template) -> Resources:
    """The roles of a deployment with a KMS key, so with every conditional statement."""
    resources = evaluate(template, KmsKeyArn=KEY)
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::IAM::Role"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: Any) -> Iterator[Any]:
    for policy in role.get("Policies", []):
        yield from listed(policy["PolicyDocument"]["Statement"])


def grants(role: Any) -> dict[str, Any]:
    return {action: each["Resource"] for each in statements(role) for action in listed(each["Action"])}


def test_roles(roles: Resources) -> None:
    assert set(roles) == {
        "GeneratorRole", "WorkerRole", "ApiRole", "SweeperRole", "DeadLettersRole", "GeneratorWarmupRole",
        "WebhooksRole", "SweeperMinuteRole", "GatewayAccountRole",
    }  # fmt: skip


def test_no_wildcards(roles: Resources) -> None:
    for role in roles.values():
        for action, resource in grants(role).items():
            assert "*" not in action
            assert (resource == "*") == (action in WITHOUT_RESOURCE)


def test_only_the_managed_policy_that_api_gateway_requires(roles: Resources) -> None:
    managed = {name: role["ManagedPolicyArns"] for name, role in roles.items() if role.get("ManagedPolicyArns")}
    assert managed == {
        "GatewayAccountRole": [
            {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
        ]
    }


TABLE = {"Fn::GetAtt": ["Table", "Arn"]}
QUEUE = {"Fn::GetAtt": ["JobsQueue", "Arn"]}
WEBHOOKS = {"Fn::GetAtt": ["WebhooksQueue", "Arn"]}
DEAD_LETTERS = {"Fn::GetAtt": ["JobsDeadLetters", "Arn"]}
IMAGES = {"Fn::Sub": "${Bucket.Arn}/images/*"}
SECRETS = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/webhooks/*"
ITEM_ACCESS = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
CONSUMING = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
JOBS = {
    **dict.fromkeys(ITEM_ACCESS, TABLE),
    "sqs:SendMessage": [QUEUE, WEBHOOKS],
    "sqs:GetQueueAttributes": QUEUE,
}
IMAGE_ACCESS = {"s3:GetObject": IMAGES, "s3:PutObject": IMAGES, "s3:ListBucket": {"Fn::GetAtt": ["Bucket", "Arn"]}}


def index(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"${{Table.Arn}}/index/{name}"}


def common(name: str) -> dict[str, Any]:
    """Return the grants that every function has."""
    logs = {"Fn::GetAtt": [f"{name}Logs", "Arn"]}
    return {
        "logs:CreateLogStream": logs,
        "logs:PutLogEvents": logs,
        **dict.fromkeys(WITHOUT_RESOURCE, "*"),
        "kms:GenerateDataKey": KEY,
        "kms:Decrypt": KEY,
    }


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("Generator", JOBS | IMAGE_ACCESS),
        (
            "Worker",
            JOBS
            | IMAGE_ACCESS
            | dict.fromkeys([*CONSUMING, "sqs:ChangeMessageVisibility"], QUEUE)
            | {"sqs:SendMessage": DEAD_LETTERS},
        ),
        (
            "Api",
            JOBS | {"dynamodb:BatchGetItem": TABLE, "dynamodb:Query": index("by_tenant"), "s3:GetObject": IMAGES},
        ),
        (
            "Sweeper",
            {
                "dynamodb:GetItem": TABLE,
                "dynamodb:UpdateItem": TABLE,
                "dynamodb:DeleteItem": TABLE,
                "dynamodb:Query": index("by_due"),
                "sqs:SendMessage": [QUEUE, WEBHOOKS],
                "sqs:GetQueueAttributes": QUEUE,
            },
        ),
        (
            "DeadLetters",
            {
                "dynamodb:GetItem": TABLE,
                "dynamodb:UpdateItem": TABLE,
                "sqs:SendMessage": WEBHOOKS,
                **dict.fromkeys(CONSUMING, DEAD_LETTERS),
            },
        ),
        (
            "Webhooks",
            {
                "dynamodb:GetItem": TABLE,
                "s3:GetObject": IMAGES,
                "ssm:GetParameter": {"Fn::Sub": SECRETS},
                **dict.fromkeys([*CONSUMING, "sqs:ChangeMessageVisibility"], WEBHOOKS),
                "sqs:SendMessage": {"Fn::GetAtt": ["WebhooksDeadLetters", "Arn"]},
            },
        ),
    ],
)
def test_each_function_has_exactly_its_grants(roles: Resources, name: str, own: dict[str, Any]) -> None:
    assert grants(roles[f"{name}Role"]) == common(name) | own


def test_the_worker_sends_to_its_queues_and_to_the_dead_letter_queue(roles: Resources) -> None:
    sent = [each["Resource"] for each in statements(roles["WorkerRole"]) if each["Action"] == "sqs:SendMessage"]
    assert sent == [[QUEUE, WEBHOOKS], DEAD_LETTERS]


@pytest.mark.parametrize("name", ["Generator", "Worker", "Api", "Sweeper", "DeadLetters", "Webhooks"])
def test_the_key_is_used_through_s3_and_dynamodb_only(roles: Resources, name: str) -> None:
    (statement,) = [each for each in statements(roles[f"{name}Role"]) if "kms:Decrypt" in each["Action"]]
    via = [{"Fn::Sub": f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"} for service in ("s3", "dynamodb")]
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": via}}


def test_no_kms_grants_without_a_key(resources: Resources) -> None:
    assert not [action for action in grants(resources["GeneratorRole"]["Properties"]) if action.startswith("kms:")]


def test_schedules_invoke_the_alias_and_the_sweeper(roles: Resources) -> None:
    assert grants(roles["GeneratorWarmupRole"]) == {"lambda:InvokeFunction": {"Ref": "GeneratorAliaslive"}}
    assert grants(roles["SweeperMinuteRole"]) == {"lambda:InvokeFunction": {"Fn::GetAtt": ["Sweeper", "Arn"]}}


def test_each_role_trusts_one_service(roles: Resources) -> None:
    trusted = {
        name: [
            service
            for each in role["AssumeRolePolicyDocument"]["Statement"]
            for service in listed(each["Principal"]["Service"])
        ]
        for name, role in roles.items()
    }
    assert trusted == {
        "GeneratorRole": ["lambda.amazonaws.com"],
        "WorkerRole": ["lambda.amazonaws.com"],
        "ApiRole": ["lambda.amazonaws.com"],
        "SweeperRole": ["lambda.amazonaws.com"],
        "DeadLettersRole": ["lambda.amazonaws.com"],
        "WebhooksRole": ["lambda.amazonaws.com"],
        "SweeperMinuteRole": ["scheduler.amazonaws.com"],
        "GeneratorWarmupRole": ["scheduler.amazonaws.com"],
        "GatewayAccountRole": ["apigateway.amazonaws.com"],
    }
