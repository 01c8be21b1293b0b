"""Adapt the translated template to MiniStack 1.5.

Each function changes one thing in a copy of the template and says why. The rest is what AWS would get.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.local.dockerfile import image_variables
from tools.local.signing_certificate import Files
from tools.local.template import S3Object, Template

Resource = dict[str, Any]
Resources = dict[str, Resource]

FUNCTION: Final = "AWS::Lambda::Function"
REST_API: Final = "AWS::ApiGateway::RestApi"
ANY: Final = "x-amazon-apigateway-any-method"
METHODS: Final = ("get", "post", "put", "delete", "patch", "head", "options")


@dataclass(frozen=True)
class LocalReceiver:
    """A webhook receiver on this machine, port 8443 or 443."""

    name: str
    """Host name in the webhook URLs."""
    ca: Path
    """PEM file of the CA that issued the receiver's certificate."""


@dataclass(frozen=True)
class LocalIssuers:
    """Issuers of tokens whose certificates an authority of this machine issued."""

    text: str
    """Value of the parameter TokenIssuers."""
    ca: Path
    """PEM file of the authority, which the authorizer trusts instead of the system's."""


def adapt(
    template: Template,
    *,
    code: S3Object,
    models_dir: Path,
    host: str,
    signing: Files,
    receiver: LocalReceiver | None = None,
    issuers: LocalIssuers | None = None,
) -> Template:
    """Return a copy of `template` for MiniStack.

    Functions run `code`, load models from `models_dir` and sign pictures with `signing`; the API answers at `host`;
    webhooks can reach `receiver`, and the authorizer the `issuers`.
    """
    adapted = copy.deepcopy(template)
    resources: Resources = adapted["Resources"]
    limit_concurrency(resources)
    set_image_environment(resources, models_dir)
    sign_with_files(resources, signing)
    package_images_as_zips(resources, code)
    remove_layers(resources)
    follow_the_newest_code(resources)
    remove_rollouts(resources)
    set_poller_concurrency(resources)
    expand_any_method(resources)
    unescape_media_types(resources)
    extract_gateway_responses(resources)
    allow_plain_http(resources)
    map_stage_path(resources, host)
    remove_metric_math(resources)
    if receiver is not None:
        allow_local_receiver(resources, receiver)
    if issuers is not None:
        trust_local_issuers(resources, issuers)
    return adapted


def limit_concurrency(resources: Resources) -> None:
    """Each execution environment is a local process: allow 1 for a function that loads a model, 4 for any other."""
    for _, function in _of_type(resources, FUNCTION):
        function["ReservedConcurrentExecutions"] = 4
    for function in _image_functions(resources):
        function["ReservedConcurrentExecutions"] = 1


def set_image_environment(resources: Resources, models_dir: Path) -> None:
    """Set what the container image would provide: the weights and the Dockerfile's variables."""
    for function in _image_functions(resources):
        variables = function.setdefault("Environment", {}).setdefault("Variables", {})
        downloads = {"MODEL_STORAGE_DIR": str(models_dir.parent / "model-versions")}  # not /tmp, which others may use
        variables |= {"MODELS_DIR": str(models_dir), **downloads, **image_variables()}


def sign_with_files(resources: Resources, signing: Files) -> None:
    """Sign with a development key in a file. No authority is trusted, so `POST /verify` calls such pictures valid."""
    for function in _image_functions(resources):
        function["Environment"]["Variables"] |= {
            "CONTENT_CREDENTIALS_KEY": f"file:{signing.key}",
            "CONTENT_CREDENTIALS_CHAIN": f"file:{signing.chain}",
        }


def package_images_as_zips(resources: Resources, code: S3Object) -> None:
    """MiniStack needs a container engine to run images. The image's command is also a valid zip handler."""
    for function in _image_functions(resources):
        command = function.pop("ImageConfig")["Command"]
        del function["PackageType"]
        function |= {
            "Code": {"S3Bucket": code.bucket, "S3Key": code.key},
            "Handler": command[0],
            "Runtime": "python3.13",
        }


def remove_layers(resources: Resources) -> None:
    """Handlers run on the Python interpreter that started MiniStack, which has every dependency installed."""
    for name, _ in list(_of_type(resources, "AWS::Lambda::LayerVersion")):
        del resources[name]
    for _, function in _of_type(resources, FUNCTION):
        function.pop("Layers", None)


def follow_the_newest_code(resources: Resources) -> None:
    """`make serve` deploys what was changed, without a Release that would publish a version of each function."""
    for _, alias in _of_type(resources, "AWS::Lambda::Alias"):
        alias["FunctionVersion"] = "$LATEST"


def remove_rollouts(resources: Resources) -> None:
    """MiniStack has no CodeDeploy. RolloutCheck, which only CodeDeploy invokes, goes with it."""
    gone = [name for name, each in resources.items() if each["Type"].startswith("AWS::CodeDeploy::")]
    for name in [*gone, "RolloutCheck", "RolloutCheckRole", "RolloutCheckLogs", "RolloutRole", "RolloutAlarm"]:
        resources.pop(name, None)
    for resource in resources.values():
        resource.pop("UpdatePolicy", None)


def set_poller_concurrency(resources: Resources) -> None:
    """MiniStack compares MaximumConcurrency with a number, and a parameter's value is a string.

    2 is the least that SQS event sources accept; the worker's one environment takes the messages in turn.
    """
    for _, source in _of_type(resources, "AWS::Lambda::EventSourceMapping"):
        if "ScalingConfig" in source:
            source["ScalingConfig"] = {"MaximumConcurrency": 2}


def expand_any_method(resources: Resources) -> None:
    """MiniStack's OpenAPI import ignores API Gateway's ANY method."""
    for _, api in _of_type(resources, REST_API):
        for path in api["Body"]["paths"].values():
            operation = path.pop(ANY, None)
            if operation is not None:
                for method in METHODS:
                    path.setdefault(method, operation)


def unescape_media_types(resources: Resources) -> None:
    """CloudFormation requires `/` to be written as `~1`; MiniStack does not decode it."""
    for _, api in _of_type(resources, REST_API):
        if "BinaryMediaTypes" in api:
            api["BinaryMediaTypes"] = [media.replace("~1", "/") for media in api["BinaryMediaTypes"]]


def extract_gateway_responses(resources: Resources) -> None:
    """MiniStack ignores gateway responses in the OpenAPI body.

    An API deployment includes only the responses that exist when it is created, so it must depend on them.
    """
    for api_name, api in list(_of_type(resources, REST_API)):
        names = []
        for kind, response in api["Body"].pop("x-amazon-apigateway-gateway-responses", {}).items():
            name = f"{api_name}{kind.title().replace('_', '')}Response"
            names.append(name)
            resources[name] = {
                "Type": "AWS::ApiGateway::GatewayResponse",
                "Properties": {
                    "RestApiId": {"Ref": api_name},
                    "ResponseType": kind,
                    **{key[0].upper() + key[1:]: value for key, value in response.items()},
                },
            }
        for deployment, properties in _of_type(resources, "AWS::ApiGateway::Deployment"):
            if properties["RestApiId"] == {"Ref": api_name}:
                _add_dependencies(resources[deployment], names)


def allow_plain_http(resources: Resources) -> None:
    """The stack speaks plain HTTP on the loopback interface, which TLS-only bucket and queue policies would deny.

    A conditional statement goes with them: it is for a CloudFront distribution, which the stack does not have.
    """
    policies = [*_of_type(resources, "AWS::S3::BucketPolicy"), *_of_type(resources, "AWS::SQS::QueuePolicy")]
    for name, policy in policies:
        document = policy["PolicyDocument"]
        document["Statement"] = [
            statement
            for statement in document["Statement"]
            if "Fn::If" not in statement and not _requires_tls(statement)
        ]
        if not document["Statement"]:
            del resources[name]


def map_stage_path(resources: Resources, host: str) -> None:
    """Add a custom domain, so that URLs differ from AWS's in the host only: http://host:port/stage/route."""
    for name, stage in list(_of_type(resources, "AWS::ApiGateway::Stage")):
        domain, mapping = f"{name}Domain", f"{name}Mapping"
        resources[domain] = {"Type": "AWS::ApiGateway::DomainName", "Properties": {"DomainName": host}}
        resources[mapping] = {
            "Type": "AWS::ApiGateway::BasePathMapping",
            "Properties": {
                "BasePath": stage["StageName"],
                "DomainName": {"Ref": domain},
                "RestApiId": stage["RestApiId"],
                "Stage": {"Ref": name},
            },
        }


def remove_metric_math(resources: Resources) -> None:
    """MiniStack's alarms compare one metric with a threshold."""
    for name, alarm in list(_of_type(resources, "AWS::CloudWatch::Alarm")):
        if "Metrics" in alarm:
            del resources[name]


def allow_local_receiver(resources: Resources, receiver: LocalReceiver) -> None:
    """Switch to the handler in local_webhooks.py: the function's own handler connects to public addresses only."""
    function = resources["Webhooks"]["Properties"]
    function["Handler"] = "local_webhooks.handler"
    function["Environment"]["Variables"] |= {"LOCAL_RECEIVER": receiver.name, "LOCAL_RECEIVER_CA": str(receiver.ca)}


def trust_local_issuers(resources: Resources, issuers: LocalIssuers) -> None:
    """OpenSSL takes its authorities from this file. The authorizer's calls to MiniStack use plain HTTP."""
    resources["Authorizer"]["Properties"]["Environment"]["Variables"]["SSL_CERT_FILE"] = str(issuers.ca)


def _of_type(resources: Resources, kind: str) -> Iterator[tuple[str, Resource]]:
    """Yield the name and properties of each resource of the type `kind`."""
    for name, resource in resources.items():
        if resource["Type"] == kind:
            yield name, resource.setdefault("Properties", {})


def _image_functions(resources: Resources) -> list[Resource]:
    """Return the properties of the functions packaged as images, which are the ones that load a model."""
    return [function for _, function in _of_type(resources, FUNCTION) if function.get("PackageType") == "Image"]


def _requires_tls(statement: dict[str, Any]) -> bool:
    condition: dict[str, Any] = statement.get("Condition", {})
    return condition.get("Bool", {}).get("aws:SecureTransport") in ("false", False)


def _add_dependencies(resource: Resource, names: list[str]) -> None:
    before = resource.get("DependsOn", [])
    resource["DependsOn"] = [*([before] if isinstance(before, str) else before), *names]
