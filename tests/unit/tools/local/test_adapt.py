"""Each adaptation of the template to MiniStack; everything else stays as translated."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.local import adapt
from tools.local.dockerfile import image_variables
from tools.local.process import ROOT
from tools.local.signing_certificate import Files
from tools.local.template import S3Object, translate

CODE = S3Object("code-bucket", "function.zip")
MODELS = Path("/models")
SIGNING = Files(Path("/key.pem"), Path("/chain.pem"))


def image_function(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "PackageType": "Image",
            "Code": {"ImageUri": "registry/image:tag"},
            "ImageConfig": {"Command": ["package.module.handler"]},
            **properties,
        },
    }


def zip_function(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Code": {"S3Bucket": "b", "S3Key": "k"}, "Handler": "package.api.handler", **properties},
    }


def rest_api(**body: Any) -> dict[str, Any]:
    return {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Body": {"paths": {}, **body}}}


def test_concurrency_is_1_for_functions_that_load_a_model_and_4_for_others() -> None:
    resources = {"Generator": image_function(ReservedConcurrentExecutions={"Ref": "Limit"}), "Api": zip_function()}

    adapt.limit_concurrency(resources)

    assert resources["Generator"]["Properties"]["ReservedConcurrentExecutions"] == 1
    assert resources["Api"]["Properties"]["ReservedConcurrentExecutions"] == 4


def test_the_images_environment_is_added_to_the_functions() -> None:
    resources = {
        "Generator": image_function(Environment={"Variables": {"MODELS_DIR": "/opt/models", "DEVICE": "cpu"}}),
        "Bare": image_function(),
        "Api": zip_function(),
    }

    adapt.set_image_environment(resources, MODELS)

    added = {"MODELS_DIR": "/models", "MODEL_STORAGE_DIR": "/model-versions", **image_variables()}
    assert resources["Generator"]["Properties"]["Environment"]["Variables"] == {"DEVICE": "cpu", **added}
    assert resources["Bare"]["Properties"]["Environment"]["Variables"] == added
    assert "Environment" not in resources["Api"]["Properties"]


def test_image_variables_are_those_of_the_dockerfile() -> None:
    dockerfile = (ROOT / "function" / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = [line for line in dockerfile.splitlines() if line.startswith("ENV ")]
    variables = dict(pair.split("=", 1) for pair in line.split()[1:])

    assert image_variables() == {name: value for name, value in variables.items() if "/" not in value}
    assert image_variables()["HF_HUB_OFFLINE"] == "1"


def test_an_image_function_becomes_a_zip_with_its_command_as_handler() -> None:
    resources = {"Generator": image_function(MemorySize=10240, Timeout=900)}

    adapt.package_images_as_zips(resources, CODE)

    assert resources["Generator"]["Properties"] == {
        "Code": {"S3Bucket": "code-bucket", "S3Key": "function.zip"},
        "Handler": "package.module.handler",
        "Runtime": "python3.13",
        "MemorySize": 10240,
        "Timeout": 900,
    }


def test_a_zip_function_keeps_its_code_and_loses_its_layers() -> None:
    resources = {"Api": zip_function(Layers=[{"Ref": "Core"}]), "Core": {"Type": "AWS::Lambda::LayerVersion"}}
    expected = {"Api": zip_function()}

    adapt.package_images_as_zips(resources, CODE)
    adapt.remove_layers(resources)

    assert resources == expected


def test_a_pollers_maximum_concurrency_is_a_number() -> None:
    scaling = {"ScalingConfig": {"MaximumConcurrency": {"Ref": "P"}}}
    sources = {
        name: {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}
        for name, properties in {"Limited": scaling, "Unlimited": {}}.items()
    }

    adapt.set_poller_concurrency(sources)

    assert sources["Limited"]["Properties"] == {"ScalingConfig": {"MaximumConcurrency": 2}}
    assert sources["Unlimited"]["Properties"] == {}


def test_every_alias_follows_the_newest_code_without_code_deploy(translated: dict[str, Any]) -> None:
    adapted = adapt.adapt(translated, code=CODE, models_dir=MODELS, host="127.0.0.1", signing=SIGNING)["Resources"]
    aliases = [each for each in adapted.values() if each["Type"] == "AWS::Lambda::Alias"]
    assert len(aliases) == 7
    assert {each["Properties"]["FunctionVersion"] for each in aliases} == {"$LATEST"}
    assert not [name for name, each in adapted.items() if "UpdatePolicy" in each or "CodeDeploy" in each["Type"]]
    gone = translated["Resources"].keys() - adapted.keys()
    referred = set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"', json.dumps(adapted)))
    assert {"RolloutCheck", "RolloutRole", "ServerlessDeploymentApplication"} <= gone
    assert not gone & referred


def test_the_authorizer_trusts_the_authority_of_local_issuers() -> None:
    resources = {"Authorizer": zip_function(Environment={"Variables": {"TABLE_NAME": "t"}})}

    adapt.trust_local_issuers(resources, adapt.LocalIssuers("[]", Path("/ca.pem")))

    variables = resources["Authorizer"]["Properties"]["Environment"]["Variables"]
    assert variables == {"TABLE_NAME": "t", "SSL_CERT_FILE": "/ca.pem"}


def test_any_becomes_every_method_without_its_own_operation() -> None:
    paths = {"/generate": {adapt.ANY: {"to": "generator"}, "options": {"to": "api"}}, "/health": {"get": {"to": "api"}}}
    resources = {"Rest": rest_api(paths=paths)}

    adapt.expand_any_method(resources)

    generate = paths["/generate"]
    assert set(generate) == set(adapt.METHODS)
    assert generate["post"] == generate["delete"] == {"to": "generator"}
    assert generate["options"] == {"to": "api"}
    assert paths["/health"] == {"get": {"to": "api"}}


def test_media_types_are_unescaped() -> None:
    resources = {"Rest": rest_api()}
    resources["Rest"]["Properties"]["BinaryMediaTypes"] = ["application~1json"]

    adapt.unescape_media_types(resources)

    assert resources["Rest"]["Properties"]["BinaryMediaTypes"] == ["application/json"]


@pytest.mark.parametrize("before", [None, "Rest", ["Rest"]])
def test_gateway_responses_become_resources_that_the_deployment_depends_on(before: str | list[str] | None) -> None:
    response = {"statusCode": "401", "responseTemplates": {"application/json": "{}"}, "responseParameters": {"a": "b"}}
    responses = {"INVALID_API_KEY": response}
    deployment: dict[str, Any] = {
        "Type": "AWS::ApiGateway::Deployment",
        "Properties": {"RestApiId": {"Ref": "Rest"}},
        **({"DependsOn": before} if before else {}),
    }
    other = {"Type": "AWS::ApiGateway::Deployment", "Properties": {"RestApiId": {"Ref": "Other"}}}
    resources = {
        "Rest": rest_api(**{"x-amazon-apigateway-gateway-responses": responses}),
        "Deployment": deployment,
        "OtherDeployment": other,
    }

    adapt.extract_gateway_responses(resources)

    assert resources["RestInvalidApiKeyResponse"] == {
        "Type": "AWS::ApiGateway::GatewayResponse",
        "Properties": {
            "RestApiId": {"Ref": "Rest"},
            "ResponseType": "INVALID_API_KEY",
            "StatusCode": "401",
            "ResponseTemplates": {"application/json": "{}"},
            "ResponseParameters": {"a": "b"},
        },
    }
    assert resources["Deployment"]["DependsOn"] == [*(["Rest"] if before else []), "RestInvalidApiKeyResponse"]
    assert "DependsOn" not in other


def queue_policy(*statements: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": {"PolicyDocument": {"Statement": list(statements)}}}


def bucket_policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": {"Statement": list(statements)}}}


def test_only_the_tls_and_conditional_statements_of_policies_are_removed() -> None:
    tls_only = {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    other = {"Effect": "Deny", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}
    of_cdn = {"Fn::If": ["HasCdn", {"Effect": "Allow"}, {"Ref": "AWS::NoValue"}]}
    resources = {
        "Mixed": bucket_policy(tls_only, other),
        "TlsOnly": bucket_policy(tls_only, of_cdn),
        "MixedQueue": queue_policy(tls_only, other),
        "TlsOnlyQueue": queue_policy(tls_only),
    }

    adapt.allow_plain_http(resources)

    assert resources == {"Mixed": bucket_policy(other), "MixedQueue": queue_policy(other)}


def test_the_stage_is_mapped_to_its_path() -> None:
    stage = {"Type": "AWS::ApiGateway::Stage", "Properties": {"StageName": "dev", "RestApiId": {"Ref": "Rest"}}}
    resources = {"Stage": stage}

    adapt.map_stage_path(resources, "127.0.0.1")

    assert resources["StageDomain"]["Properties"] == {"DomainName": "127.0.0.1"}
    assert resources["StageMapping"]["Properties"] == {
        "BasePath": "dev",
        "DomainName": {"Ref": "StageDomain"},
        "RestApiId": {"Ref": "Rest"},
        "Stage": {"Ref": "Stage"},
    }


@pytest.fixture(scope="module")
def translated() -> dict[str, Any]:
    return translate(ROOT / "template.yaml", CODE, "us-east-1", {})


def test_the_projects_template_is_copied_and_only_the_expected_types_change(translated: dict[str, Any]) -> None:
    before = copy.deepcopy(translated)

    adapted = adapt.adapt(translated, code=CODE, models_dir=MODELS, host="127.0.0.1", signing=SIGNING)

    assert translated == before
    changed = {
        resource["Type"] for name, resource in before["Resources"].items() if adapted["Resources"].get(name) != resource
    }
    added = {resource["Type"] for name, resource in adapted["Resources"].items() if name not in before["Resources"]}
    assert changed == {
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Alias",
        "AWS::CodeDeploy::Application",
        "AWS::CodeDeploy::DeploymentGroup",
        "AWS::IAM::Role",
        "AWS::Logs::LogGroup",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Deployment",
        "AWS::CloudWatch::Alarm",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
    }
    assert added == {
        "AWS::ApiGateway::GatewayResponse",
        "AWS::ApiGateway::DomainName",
        "AWS::ApiGateway::BasePathMapping",
    }
    assert {name: part for name, part in adapted.items() if name != "Resources"} == {
        name: part for name, part in before.items() if name != "Resources"
    }


def test_webhooks_reach_this_machine_only_with_a_local_receiver(translated: dict[str, Any]) -> None:
    receiver = adapt.LocalReceiver("hooks.example.com", Path("/ca.pem"))
    adapted, plain = (
        adapt.adapt(translated, code=CODE, models_dir=MODELS, host="127.0.0.1", signing=SIGNING, receiver=each)[
            "Resources"
        ]
        for each in (receiver, None)
    )

    webhooks = adapted.pop("Webhooks")["Properties"]
    before = plain.pop("Webhooks")["Properties"]
    assert (webhooks["Handler"], before["Handler"]) == (
        "local_webhooks.handler",
        "imagegen.entrypoints.webhooks.handler",
    )
    added = {"LOCAL_RECEIVER": "hooks.example.com", "LOCAL_RECEIVER_CA": "/ca.pem"}
    assert webhooks["Environment"]["Variables"] == before["Environment"]["Variables"] | added
    assert adapted == plain


def test_every_functions_handler_is_in_the_zip(translated: dict[str, Any]) -> None:
    adapted = adapt.adapt(translated, code=CODE, models_dir=MODELS, host="127.0.0.1", signing=SIGNING)

    functions = [each for each in adapted["Resources"].values() if each["Type"] == adapt.FUNCTION]
    assert functions
    for function in functions:
        module, _, _ = function["Properties"]["Handler"].rpartition(".")
        assert (ROOT / "function" / Path(*module.split("."))).with_suffix(".py").is_file()
        assert function["Properties"]["Code"] == {"S3Bucket": CODE.bucket, "S3Key": CODE.key}


def test_alarms_with_metric_math_are_left_out(translated: dict[str, Any]) -> None:
    adapted = adapt.adapt(translated, code=CODE, models_dir=MODELS, host="127.0.0.1", signing=SIGNING)
    kept = [each["Properties"] for each in adapted["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    assert kept
    assert all("MetricName" in each and "Metrics" not in each for each in kept)
