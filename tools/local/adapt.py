"""The difference between the translated template and what MiniStack 1.5 can carry.

Each function changes one thing in a copy of the template and says why; nothing else differs from what AWS would get.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.local.template import S3Object, Template

Resource = dict[str, Any]
Resources = dict[str, Resource]

FUNCTION: Final = "AWS::Lambda::Function"
REST_API: Final = "AWS::ApiGateway::RestApi"
ANY: Final = "x-amazon-apigateway-any-method"
METHODS: Final = ("get", "post", "put", "delete", "patch", "head", "options")
IMAGE_VARIABLES: Final = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DIFFUSERS_DISABLE_REMOTE_CODE": "true",
    "TRANSFORMERS_VERBOSITY": "error",
    "OPENBLAS_NUM_THREADS": "1",
}
"""The ENV of function/Dockerfile, but for paths of the image."""


@dataclass(frozen=True)
class LocalReceiver:
    """A receiver of webhooks on this machine's port 8443 or 443: the host in its URLs, its certificate's authority."""

    name: str
    ca: Path


def adapt(
    template: Template, *, code: S3Object, models_dir: Path, host: str, receiver: LocalReceiver | None = None
) -> Template:
    """The template for MiniStack: functions run `code`, models come from `models_dir`, the API answers at `host`."""
    adapted = copy.deepcopy(template)
    resources: Resources = adapted["Resources"]
    few_environments(resources)
    environment_of_the_image(resources, models_dir)
    images_become_zips(resources, code)
    code_without_layers(resources)
    concurrency_of_pollers_is_a_number(resources)
    any_becomes_every_method(resources)
    media_types_unescaped(resources)
    gateway_responses_become_resources(resources)
    plain_http_allowed(resources)
    api_at_the_path_of_its_stage(resources, host)
    if receiver is not None:
        webhooks_reach_this_machine(resources, receiver)
    return adapted


def few_environments(resources: Resources) -> None:
    """Each is a process of this machine: one for a function that loads a model, a handful for any other."""
    for _, function in _of_type(resources, FUNCTION):
        function["ReservedConcurrentExecutions"] = 4
    for function in _image_functions(resources):
        function["ReservedConcurrentExecutions"] = 1


def environment_of_the_image(resources: Resources, models_dir: Path) -> None:
    """The container image brings its weights and the variables of its Dockerfile."""
    for function in _image_functions(resources):
        variables = function.setdefault("Environment", {}).setdefault("Variables", {})
        variables |= {"MODELS_DIR": str(models_dir), **IMAGE_VARIABLES}


def images_become_zips(resources: Resources, code: S3Object) -> None:
    """MiniStack hands an image to a container engine; the image's command is also the handler of a zip."""
    for function in _image_functions(resources):
        command = function.pop("ImageConfig")["Command"]
        del function["PackageType"]
        function |= {
            "Code": {"S3Bucket": code.bucket, "S3Key": code.key},
            "Handler": command[0],
            "Runtime": "python3.13",
        }


def code_without_layers(resources: Resources) -> None:
    """Handlers run on the Python that started MiniStack, which has every dependency installed."""
    for name, _ in list(_of_type(resources, "AWS::Lambda::LayerVersion")):
        del resources[name]
    for _, function in _of_type(resources, FUNCTION):
        function.pop("Layers", None)


def concurrency_of_pollers_is_a_number(resources: Resources) -> None:
    """A parameter's value is a string, which MiniStack compares with a number. One environment takes the messages."""
    for _, source in _of_type(resources, "AWS::Lambda::EventSourceMapping"):
        if "ScalingConfig" in source:
            source["ScalingConfig"] = {"MaximumConcurrency": 2}


def any_becomes_every_method(resources: Resources) -> None:
    """MiniStack's OpenAPI import skips API Gateway's ANY."""
    for _, api in _of_type(resources, REST_API):
        for path in api["Body"]["paths"].values():
            operation = path.pop(ANY, None)
            if operation is not None:
                for method in METHODS:
                    path.setdefault(method, operation)


def media_types_unescaped(resources: Resources) -> None:
    """CloudFormation wants a slash written as ~1; MiniStack compares it as it stands."""
    for _, api in _of_type(resources, REST_API):
        if "BinaryMediaTypes" in api:
            api["BinaryMediaTypes"] = [media.replace("~1", "/") for media in api["BinaryMediaTypes"]]


def gateway_responses_become_resources(resources: Resources) -> None:
    """MiniStack ignores the ones in the OpenAPI body, and a deployment keeps those that existed when it was made."""
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
                _depend(resources[deployment], names)


def plain_http_allowed(resources: Resources) -> None:
    """The stack speaks HTTP on the loopback interface, which a bucket policy that insists on TLS would refuse."""
    for name, policy in list(_of_type(resources, "AWS::S3::BucketPolicy")):
        document = policy["PolicyDocument"]
        document["Statement"] = [each for each in document["Statement"] if not _insists_on_tls(each)]
        if not document["Statement"]:
            del resources[name]


def api_at_the_path_of_its_stage(resources: Resources, host: str) -> None:
    """A custom domain gives the URL AWS would give, with another host: http://host:port/stage/route."""
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


def webhooks_reach_this_machine(resources: Resources, receiver: LocalReceiver) -> None:
    """The function itself reaches public addresses only (tools/local/local_webhooks.py)."""
    function = resources["Webhooks"]["Properties"]
    function["Handler"] = "local_webhooks.handler"
    function["Environment"]["Variables"] |= {"LOCAL_RECEIVER": receiver.name, "LOCAL_RECEIVER_CA": str(receiver.ca)}


def _of_type(resources: Resources, kind: str) -> Iterator[tuple[str, Resource]]:
    """Name and properties of each resource of a type."""
    for name, resource in resources.items():
        if resource["Type"] == kind:
            yield name, resource.setdefault("Properties", {})


def _image_functions(resources: Resources) -> list[Resource]:
    """They are the ones that load a model."""
    return [function for _, function in _of_type(resources, FUNCTION) if function.get("PackageType") == "Image"]


def _insists_on_tls(statement: dict[str, Any]) -> bool:
    condition: dict[str, Any] = statement.get("Condition", {})
    return condition.get("Bool", {}).get("aws:SecureTransport") in ("false", False)


def _depend(resource: Resource, names: list[str]) -> None:
    before = resource.get("DependsOn", [])
    resource["DependsOn"] = [*([before] if isinstance(before, str) else before), *names]
