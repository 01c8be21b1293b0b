"""Least privilege: each role has exactly the actions and resources that its function uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from imagegen.access import tenant
from tests.support.evaluate import Resources, Template, evaluate
from tests.template.test_functions import SERVING

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SIGNING_KEY = "arn:aws:kms:eu-central-1:111122223333:key/5678abcd-12ab-34cd-56ef-1234567890ab"
TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
WITHOUT_RESOURCE = {*TRACES, "cloudwatch:DescribeAlarms"}
"""Actions without resource-level permissions: IAM accepts only `*`. DescribeAlarms needs it for composite alarms."""
INTERFACES = {
    "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}  # fmt: skip
"""What Lambda does with the role of a function in a VPC. What it creates has no name that is known before."""
OF_THE_VPC = {"SubnetIds": "subnet-01234567", "SecurityGroupIds": "sg-01234567"}
OF_REDIS = {"RedisUrl": "rediss://cache.example.com", "RedisPassword": "ssm:/imagegen/redis/password"}


@pytest.fixture(scope="module")
def roles(template: Template) -> Resources:
    """The roles of a deployment with KMS keys, Redis and a VPC, so with every conditional statement."""
    keys = {"KmsKeyArn": KEY, "ContentCredentialsKeyArn": SIGNING_KEY}
    resources = evaluate(template, **keys, **OF_THE_VPC, **OF_REDIS)
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::IAM::Role"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: Any, effect: str = "Allow") -> Iterator[Any]:
    for policy in role.get("Policies", []):
        yield from (each for each in listed(policy["PolicyDocument"]["Statement"]) if each["Effect"] == effect)


def grants(role: Any) -> dict[str, Any]:
    return {action: each["Resource"] for each in statements(role) for action in listed(each["Action"])}


def test_roles(roles: Resources) -> None:
    assert set(roles) == {
        "GeneratorRole", "WorkerRole", "ApiRole", "SweeperRole", "DeadLettersRole", "WebhooksRole", "SweeperMinuteRole",
        "GatewayAccountRole", "AuthorizerRole", "WarmerRole", "WarmerPingRole", "RolloutCheckRole", "RolloutRole",
    }  # fmt: skip


def test_no_wildcards(roles: Resources) -> None:
    for role in roles.values():
        for action, resource in grants(role).items():
            assert "*" not in action
            assert (resource == "*") == (action in WITHOUT_RESOURCE | INTERFACES)


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
LISTS_READ = {"ssm:GetParameter": {"Fn::Sub": SECRETS.replace("/webhooks/", "/moderation/")}}
REDIS = {"ssm:GetParameter": {"Fn::Sub": SECRETS.replace("/webhooks/", "/redis/")}} | dict.fromkeys(INTERFACES, "*")
ITEM_ACCESS = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
CONSUMING = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]


def index(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"${{Table.Arn}}/index/{name}"}


JOBS = {
    **dict.fromkeys(ITEM_ACCESS, TABLE),
    "dynamodb:Query": index("by_turn"),
    "sqs:SendMessage": [QUEUE, WEBHOOKS],
    "sqs:GetQueueAttributes": QUEUE,
}
SECRET_EXISTS = {"ssm:ListTagsForResource": {"Fn::Sub": SECRETS}}
CHECKPOINTS = {"Fn::Sub": "${Bucket.Arn}/checkpoints/*"}
UPLOADS = {"Fn::Sub": "${Bucket.Arn}/uploads/*"}
PROVENANCE = {"Fn::Sub": "${Bucket.Arn}/provenance/*"}
LISTS = {"Fn::Sub": "${Bucket.Arn}/moderation/*"}
INPUTS = {"Fn::Sub": "${Bucket.Arn}/inputs/*"}
LISTS_BUCKET = {"s3:ListBucket": {"Fn::GetAtt": ["Bucket", "Arn"]}}
DISCARDS_CHECKPOINTS = {"s3:DeleteObject": CHECKPOINTS}
IMAGE_ACCESS = {
    "s3:GetObject": [IMAGES, CHECKPOINTS, INPUTS, UPLOADS, PROVENANCE, LISTS],
    "s3:PutObject": [IMAGES, CHECKPOINTS, INPUTS],
    **DISCARDS_CHECKPOINTS,
    "kms:GenerateDataKey": KEY,
    "kms:Sign": SIGNING_KEY,
    **LISTS_BUCKET,
}


def common(name: str) -> dict[str, Any]:
    """Return the grants that every function has."""
    logs = {"Fn::GetAtt": [f"{name}Logs", "Arn"]}
    return {
        "logs:CreateLogStream": logs,
        "logs:PutLogEvents": logs,
        **dict.fromkeys(TRACES, "*"),
        "kms:Decrypt": KEY,
    }


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("Generator", JOBS | IMAGE_ACCESS | SECRET_EXISTS | REDIS | {"dynamodb:ConditionCheckItem": TABLE}),
        (
            "Worker",
            JOBS
            | IMAGE_ACCESS
            | REDIS
            | dict.fromkeys([*CONSUMING, "sqs:ChangeMessageVisibility"], QUEUE)
            | {"sqs:SendMessage": DEAD_LETTERS},
        ),
        (
            "Api",
            JOBS
            | SECRET_EXISTS
            | REDIS
            | DISCARDS_CHECKPOINTS
            | {"dynamodb:BatchGetItem": TABLE, "dynamodb:Query": TABLE, "s3:GetObject": [IMAGES, UPLOADS, LISTS]}
            | LISTS_BUCKET
            | {"s3:PutObject": [UPLOADS, INPUTS], "kms:GenerateDataKey": KEY}
            | {"dynamodb:ConditionCheckItem": TABLE, "ssm:PutParameter": {"Fn::Sub": SECRETS}},
        ),
        (
            "Sweeper",
            {
                "dynamodb:GetItem": TABLE,
                "dynamodb:UpdateItem": TABLE,
                "dynamodb:DeleteItem": TABLE,
                "dynamodb:Query": [index("by_due"), index("by_turn")],
                "sqs:SendMessage": [QUEUE, WEBHOOKS],
                "sqs:GetQueueAttributes": QUEUE,
                **DISCARDS_CHECKPOINTS,
            },
        ),
        (
            "DeadLetters",
            {
                "dynamodb:GetItem": TABLE,
                "dynamodb:UpdateItem": TABLE,
                "dynamodb:DeleteItem": TABLE,
                "sqs:SendMessage": WEBHOOKS,
                **dict.fromkeys(CONSUMING, DEAD_LETTERS),
                **DISCARDS_CHECKPOINTS,
            },
        ),
        (
            "Webhooks",
            {
                **dict.fromkeys(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], TABLE),
                "s3:GetObject": IMAGES,
                "ssm:GetParameter": {"Fn::Sub": SECRETS},
                **dict.fromkeys([*CONSUMING, "sqs:ChangeMessageVisibility"], WEBHOOKS),
                "sqs:SendMessage": [WEBHOOKS, {"Fn::GetAtt": ["WebhooksDeadLetters", "Arn"]}],
            },
        ),
        ("Authorizer", {"dynamodb:GetItem": TABLE, "dynamodb:PutItem": TABLE}),
    ],
)
def test_each_function_has_exactly_its_grants(roles: Resources, name: str, own: dict[str, Any]) -> None:
    assert grants(roles[f"{name}Role"]) == common(name) | own


def test_the_worker_sends_to_its_queues_and_to_the_dead_letter_queue(roles: Resources) -> None:
    sent = [each["Resource"] for each in statements(roles["WorkerRole"]) if each["Action"] == "sqs:SendMessage"]
    assert sent == [[QUEUE, WEBHOOKS], DEAD_LETTERS]


@pytest.mark.parametrize("name", ["Generator", "Worker", "Api"])
def test_word_lists_and_the_password_of_redis_are_all_that_a_function_reads_in_ssm(roles: Resources, name: str) -> None:
    read = [each["Resource"] for each in statements(roles[f"{name}Role"]) if each["Action"] == "ssm:GetParameter"]
    assert read == [LISTS_READ["ssm:GetParameter"], REDIS["ssm:GetParameter"]]


def test_the_code_of_a_function_in_a_vpc_cannot_use_the_right_to_its_interfaces(roles: Resources) -> None:
    denied = {
        name: each["Condition"]
        for name, role in roles.items()
        for each in statements(role, "Deny")
        if set(each["Action"]) == INTERFACES
    }
    assert denied == {
        key: {"Null": {"lambda:SourceFunctionArn": "false"}} for key in ["GeneratorRole", "WorkerRole", "ApiRole"]
    }


def test_without_a_vpc_and_a_password_no_role_has_their_rights(resources: Resources) -> None:
    for name in ("Generator", "Worker", "Api"):
        role = resources[f"{name}Role"]["Properties"]
        assert not INTERFACES & grants(role).keys()
        assert grants(role)["ssm:GetParameter"] == LISTS_READ["ssm:GetParameter"]


def test_callers_see_their_jobs_places_in_the_queue_keys_and_usage(roles: Resources) -> None:
    queried = [each for each in statements(roles["ApiRole"]) if "dynamodb:Query" in listed(each["Action"])]
    assert [(each["Resource"], keys_of(each)) for each in queried] == [
        (index("by_turn"), None),
        (index("by_tenant"), None),
        (TABLE, ["TENANT#*", "USAGE#*"]),
    ]


def test_the_function_that_calls_receivers_writes_only_rows_of_webhooks(roles: Resources) -> None:
    (writes,) = [each for each in statements(roles["WebhooksRole"]) if "dynamodb:PutItem" in listed(each["Action"])]
    assert keys_of(writes) == ["WEBHOOK#*", "WEBHOOK_SLOTS#*"]


def test_the_authorizer_reaches_only_what_identifies_callers(roles: Resources) -> None:
    reached = {each["Action"]: keys_of(each) for each in statements(roles["AuthorizerRole"]) if "Condition" in each}
    reached.pop("kms:Decrypt")
    assert reached == {"dynamodb:GetItem": ["KEY#*", "ISSUER#*"], "dynamodb:PutItem": ["ISSUER#*"]}


def test_only_api_and_the_authorizer_reach_credentials(roles: Resources) -> None:
    """Every other role with item access to the table is denied the rows of keys, tenants and issuers."""
    reaching, actions = set(), {*ITEM_ACCESS, "dynamodb:ConditionCheckItem"}
    for name, role in roles.items():
        items = {action for action, resource in grants(role).items() if action in actions and resource == TABLE}
        denied = [each for each in statements(role, "Deny") if set(each["Action"]) != INTERFACES]
        if items and not denied:
            reaching.add(name)
        for each in denied:
            assert items <= set(each["Action"]), name
            assert each["Resource"] == TABLE
            assert each["Condition"] == {
                "ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["KEY#*", "TENANT#*", "ISSUER#*"]}
            }
    assert reaching == {"ApiRole", "AuthorizerRole"}


def test_api_makes_webhook_secrets_and_replaces_none(roles: Resources) -> None:
    (put,) = [each for each in statements(roles["ApiRole"]) if each["Action"] == "ssm:PutParameter"]
    assert put["Condition"] == {"StringNotEquals": {"ssm:Overwrite": "true"}}


@pytest.mark.parametrize("name", ["Generator", "Worker", "Api"])
def test_only_with_a_rollout_a_function_reads_versions_and_it_never_writes_one(template: Template, name: str) -> None:
    def of_models(**parameters: str) -> list[tuple[Any, Any]]:
        role = evaluate(template, **parameters)[f"{name}Role"]["Properties"]
        found = [policy for policy in role["Policies"] if policy["PolicyName"] == "models"]
        return [(each["Action"], each["Resource"]["Fn::Sub"]) for each in statements({"Policies": found})]

    assert of_models() == []
    parameter = SECRETS.removesuffix("/webhooks/*") + "/models"
    assert of_models(ModelRollout="true") == [
        ("ssm:GetParameter", parameter),
        ("s3:GetObject", "${Bucket.Arn}/models/*"),
    ]


def keys_of(statement: Any) -> Any:
    """Return the partition keys that a statement on the table is limited to, or None."""
    return statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")


def via(role: Any, action: str) -> list[str]:
    """Return the services through which the role may use the key."""
    (condition,) = [each["Condition"] for each in statements(role) if action in listed(each["Action"])]
    assert list(condition) == ["StringEquals"]
    sources = listed(condition["StringEquals"]["kms:ViaService"])
    return [each["Fn::Sub"].removesuffix(".${AWS::Region}.${AWS::URLSuffix}") for each in sources]


@pytest.mark.parametrize("name", ["Generator", "Worker", "Api", "Sweeper", "DeadLetters", "Webhooks", "Authorizer"])
def test_a_role_uses_the_key_only_through_what_it_reads(roles: Resources, name: str) -> None:
    role = roles[f"{name}Role"]
    services = {"s3": "s3:GetObject", "dynamodb": "dynamodb:GetItem"}
    assert via(role, "kms:Decrypt") == [service for service, action in services.items() if action in grants(role)]


def test_only_a_role_that_stores_images_or_uploads_may_make_data_keys_and_only_for_s3(roles: Resources) -> None:
    making = {
        name: via(role, "kms:GenerateDataKey") for name, role in roles.items() if "kms:GenerateDataKey" in grants(role)
    }
    assert making == {name: ["s3"] for name, role in roles.items() if "s3:PutObject" in grants(role)}
    assert set(making) == {"GeneratorRole", "WorkerRole", "ApiRole"}


def test_no_kms_grants_without_a_key(resources: Resources) -> None:
    assert not [action for action in grants(resources["GeneratorRole"]["Properties"]) if action.startswith("kms:")]


def test_schedules_invoke_the_warmer_and_the_sweeper(roles: Resources) -> None:
    assert grants(roles["WarmerPingRole"]) == {"lambda:InvokeFunction": {"Fn::GetAtt": ["Warmer", "Arn"]}}
    assert grants(roles["SweeperMinuteRole"]) == {"lambda:InvokeFunction": {"Ref": "SweeperAliaslive"}}


def own(role: Any) -> dict[str, Any]:
    """Return the grants besides logs and traces."""
    return {action: each for action, each in grants(role).items() if not action.startswith(("logs:", "xray:"))}


def test_the_warmer_may_only_invoke_generators_alias(roles: Resources) -> None:
    assert own(roles["WarmerRole"]) == {"lambda:InvokeFunction": {"Ref": "GeneratorAliaslive"}}


GROUPS = {
    "Fn::Sub": "arn:${AWS::Partition}:codedeploy:${AWS::Region}:${AWS::AccountId}:deploymentgroup:"
    "${ServerlessDeploymentApplication}/*"
}
VERSIONS = [{"Fn::Sub": f"${{{name}.Arn}}:*"} for name in SERVING]


def test_the_check_invokes_versions_reads_its_picture_and_answers_code_deploy(roles: Resources) -> None:
    assert own(roles["RolloutCheckRole"]) == {
        "lambda:InvokeFunction": VERSIONS,
        "s3:GetObject": {"Fn::Sub": f"${{Bucket.Arn}}/images/{tenant.LOCAL}/*"},
        **LISTS_BUCKET,
        "codedeploy:GetDeployment": GROUPS,
        "codedeploy:PutLifecycleEventHookExecutionStatus": GROUPS,
        "kms:Decrypt": KEY,
    }


def test_code_deploy_moves_the_aliases_of_this_stack_and_invokes_the_check(
    roles: Resources, resources: Resources
) -> None:
    functions = [
        each for name in SERVING for each in ({"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}:*"})
    ]
    check = resources["RolloutCheck"]["Properties"]["FunctionName"]["Fn::Sub"]
    assert own(roles["RolloutRole"]) == {
        **dict.fromkeys(["lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"], functions),
        "lambda:InvokeFunction": {
            "Fn::Sub": f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{check}"
        },
        "cloudwatch:DescribeAlarms": "*",
    }
    (trust,) = roles["RolloutRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {"aws:SourceArn": GROUPS},
    }


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
        "AuthorizerRole": ["lambda.amazonaws.com"],
        "WarmerRole": ["lambda.amazonaws.com"],
        "RolloutCheckRole": ["lambda.amazonaws.com"],
        "RolloutRole": ["codedeploy.amazonaws.com"],
        "SweeperMinuteRole": ["scheduler.amazonaws.com"],
        "WarmerPingRole": ["scheduler.amazonaws.com"],
        "GatewayAccountRole": ["apigateway.amazonaws.com"],
    }


def test_scheduler_assumes_its_roles_only_for_schedules_of_this_account(roles: Resources) -> None:
    for name in ("WarmerPingRole", "SweeperMinuteRole"):
        (statement,) = roles[name]["AssumeRolePolicyDocument"]["Statement"]
        group = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/default"
        assert statement["Condition"] == {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}, "aws:SourceArn": {"Fn::Sub": group}}
        }


def test_every_schedule_is_in_the_group_that_its_role_trusts_and_uses_that_role(resources: Resources) -> None:
    schedules = {
        name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::Scheduler::Schedule"
    }
    used = {name: schedule["Target"]["RoleArn"]["Fn::GetAtt"][0] for name, schedule in schedules.items()}
    assert used == {"WarmerPing": "WarmerPingRole", "SweeperMinute": "SweeperMinuteRole"}
    assert [name for name, schedule in schedules.items() if "GroupName" in schedule] == []


def test_only_roles_whose_service_documents_no_source_trust_without_a_condition(roles: Resources) -> None:
    """Lambda and API Gateway; both take a role only from an account that may pass it, which is its own."""
    unconditional = {
        statement["Principal"]["Service"]
        for role in roles.values()
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
        if "Condition" not in statement
    }
    assert unconditional == {"lambda.amazonaws.com", "apigateway.amazonaws.com"}


def test_only_this_api_may_invoke_functions(resources: Resources) -> None:
    permissions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::Permission"]
    assert permissions
    for each in permissions:
        assert each["Principal"] == "apigateway.amazonaws.com"
        arn, names = each["SourceArn"]["Fn::Sub"]
        assert re.search(r"\$\{AWS::AccountId\}:\$\{__ApiId__\}/(\$\{__Stage__\}/|authorizers/\*$)", arn)
        assert names["__ApiId__"] == {"Ref": "Gateway"}
