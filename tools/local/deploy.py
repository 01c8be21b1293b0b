"""Deploy template.yaml to a running MiniStack through the CloudFormation API."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from tools.local.adapt import FUNCTION, LocalIssuers, LocalReceiver, adapt
from tools.local.aws_environment import aws_environment
from tools.local.callers import DeployedStack
from tools.local.endpoint import Endpoint
from tools.local.process import ACCESS_KEY, HOST, REGION, ROOT, StackError
from tools.local.signing_certificate import development_files
from tools.local.template import S3Object, Template, translate

STACK: Final = "imagegen-local"
CREDENTIALS: Final = ROOT / ".local" / "content-credentials"
"""Key and certificates that sign pictures on this machine."""
_BUCKET: Final = "imagegen-local-code"
PARAMETERS: Final = {
    "Engines": "openvino,torch",  # this machine has both installed
    # MiniStack enforces them; tests and local development exceed the template's defaults.
    "DrawingPerSecond": "0",
    "SubmittingPerSecond": "0",
    "LookingPerSecond": "0",
    "StageRateLimit": "10000",
    "StageBurstLimit": "5000",
}
"""Parameters of the local deployment that differ from the template's defaults."""
_TEMPLATE_KEY: Final = "template.json"


@dataclass(frozen=True)
class Options:
    """What `make serve` adds to a stack: services on this machine that it may use, and a parameter.

    `picture_check` is that of the template; empty: its default. `model_rollout` is for tests and transcripts.
    """

    receiver: LocalReceiver | None = None
    issuers: LocalIssuers | None = None
    picture_check: str = ""
    model_rollout: bool = False


NOTHING: Final = Options()


@dataclass(frozen=True)
class Deployed:
    """A deployed stack: where a tenant finds its API, and the key of an operator."""

    endpoint: Endpoint
    operator_key: str = field(repr=False)


@aws_environment(REGION)
def deploy(endpoint: str, root: Path, models_dir: Path, model: str, options: Options = NOTHING) -> Deployed:
    """Create the stack of the template under `root`, or update the one there is, and return its callers.

    The API offers `model`. Keys, secrets and data of an existing stack stay. Raises StackError with CloudFormation's
    reasons.
    """
    parameters = PARAMETERS | {"Model": model}
    if options.issuers:
        parameters["TokenIssuers"] = options.issuers.text
    if options.picture_check:
        parameters["PictureCheck"] = options.picture_check
    if options.model_rollout:
        parameters["ModelRollout"] = "true"
    zipped = zip_of(root / "function" / "imagegen", root / "tools" / "local" / "local_webhooks.py")
    code = S3Object(_BUCKET, f"function-{hashlib.sha256(zipped).hexdigest()[:16]}.zip")  # new code, new key: an update
    translated = translate(root / "template.yaml", code, REGION, parameters)
    template = adapt(
        translated,
        code=code,
        models_dir=models_dir,
        host=HOST,
        signing=development_files(CREDENTIALS),
        receiver=options.receiver,
        issuers=options.issuers,
    )
    _upload(client("s3", endpoint), {code.key: zipped, _TEMPLATE_KEY: json.dumps(template).encode()})
    template_url = f"{endpoint}/{_BUCKET}/{_TEMPLATE_KEY}"
    resources = _create_or_update(client("cloudformation", endpoint), template_url, parameters)
    _limit_concurrency(client("lambda", endpoint), template, resources)
    callers = _stack(endpoint, resources).callers()
    stage = _only(resources, "AWS::ApiGateway::Stage")
    return Deployed(Endpoint(f"{endpoint}/{stage}", callers.api_key, callers.webhook_secret), callers.operator_key)


def _stack(endpoint: str, resources: list[dict[str, str]]) -> DeployedStack:
    return DeployedStack(
        name=STACK,
        table=_only(resources, "AWS::DynamoDB::Table"),
        rest_api=_only(resources, "AWS::ApiGateway::RestApi"),
        api_key_id=_only(resources, "AWS::ApiGateway::ApiKey"),
        apigateway=client("apigateway", endpoint),
        dynamodb=client("dynamodb", endpoint),
        ssm=client("ssm", endpoint),
    )


def zip_of(package: Path, *modules: Path) -> bytes:
    """Return a zip of the package's modules and word lists, and of single modules: no weights and no caches."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(each for each in package.rglob("*") if each.suffix in (".py", ".json")):
            archive.write(path, path.relative_to(package.parent))
        for path in modules:
            archive.write(path, path.name)
    return buffer.getvalue()


def _upload(s3: Any, objects: dict[str, bytes]) -> None:
    """Store the objects in the bucket, and delete those of earlier deployments."""
    s3.create_bucket(Bucket=_BUCKET)
    for key, body in objects.items():
        s3.put_object(Bucket=_BUCKET, Key=key, Body=body)
    for old in s3.list_objects_v2(Bucket=_BUCKET)["Contents"]:
        if old["Key"] not in objects:
            s3.delete_object(Bucket=_BUCKET, Key=old["Key"])


def _create_or_update(cloudformation: Any, template_url: str, parameters: dict[str, str]) -> list[dict[str, str]]:
    """Deploy the template and return the stack's resources. Raises StackError."""
    action = "update" if _stack_exists(cloudformation) else "create"
    getattr(cloudformation, f"{action}_stack")(
        StackName=STACK,
        TemplateURL=template_url,
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    try:
        cloudformation.get_waiter(f"stack_{action}_complete").wait(
            StackName=STACK, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )
    except WaiterError as error:
        raise StackError(f"The template was not deployed:\n{_failures(cloudformation)}") from error
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    return [summary for page in pages for summary in page["StackResourceSummaries"]]


def _stack_exists(cloudformation: Any) -> bool:
    try:
        cloudformation.describe_stacks(StackName=STACK)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # CloudFormation's answer for an unknown stack
            return False
        raise
    return True


def _failures(cloudformation: Any) -> str:
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return "\n".join(
        f"  {event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', 'no reason')}"
        for event in failed
    )


def _limit_concurrency(functions: Any, template: Template, resources: list[dict[str, str]]) -> None:
    """MiniStack's CloudFormation ignores ReservedConcurrentExecutions; its Lambda API supports it."""
    for resource in resources:
        if resource["ResourceType"] == FUNCTION:
            properties = template["Resources"][resource["LogicalResourceId"]]["Properties"]
            functions.put_function_concurrency(
                FunctionName=resource["PhysicalResourceId"],
                ReservedConcurrentExecutions=properties["ReservedConcurrentExecutions"],
            )


def _only(resources: list[dict[str, str]], kind: str) -> str:
    (name,) = [resource["PhysicalResourceId"] for resource in resources if resource["ResourceType"] == kind]
    return name


def client(service: str, endpoint: str) -> Any:
    """Return a boto3 client for MiniStack at `endpoint`, with the root user's credentials."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=ACCESS_KEY,
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )
