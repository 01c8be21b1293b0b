"""Lambda refuses a function whose environment variables are larger than 4 KB."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest

from imagegen.settings import RolloutCheckSettings
from tests.support.cdn_keys import rsa_2048
from tests.support.evaluate import Template, evaluate
from tests.template.test_functions import FUNCTIONS, environment

MOST: Final = 4096
"""Bytes of the JSON object of all variables (AWS Lambda quotas)."""
STACK: Final = "s" * 49
"""The longest name of a stack: RolloutCheck's has a prefix of 15 characters, and Lambda allows 64."""
ARN: Final = "arn:aws:lambda:ap-southeast-2:111122223333:function:" + "f" * 64 + ":12345"
URL: Final = "https://sqs.ap-southeast-2.amazonaws.com/111122223333/" + "q" * 80
RESOURCES: Final = {
    "Bucket": "b" * 63,
    "Table": f"{STACK}-Table-0123456789ABC",
    **dict.fromkeys(["JobsQueue", "JobsDeadLetters", "WebhooksQueue", "WebhooksDeadLetters"], URL),
    **dict.fromkeys(["CdnKeyA", "CdnKeyB"], "K0123456789ABC"),
    "AWS::StackName": STACK,
}
"""What a reference becomes, at its longest."""
ALL_ON: Final = {
    "Engines": "openvino,torch",
    "Model": "m" * 40,
    "ModelRollout": "true",
    "EphemeralStorage": "10240",
    "AllowedOrigins": ",".join(f"https://studio-{number}.images.example.com" for number in range(3)),
    "ContentCredentialsKeyArn": "arn:aws:kms:ap-southeast-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "ModerationLists": f"ssm:/{STACK}/moderation/word-lists",
    "PictureThresholds": '{"*": {"sexual": 0.5, "suggestive": 0.7}, "acme": {"suggestive": 0.8, "gore": 0.6}}',
    "CdnSigningKey": "B",
    "CdnPublicKeyB": rsa_2048().public,
    "CdnDomainName": "images.a-rather-long-domain-of-an-owner.example.com",
    "CdnCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab",
    "RedisUrl": "rediss://imagegen@clustercfg.a-rather-long-name.abc123.apse2.cache.amazonaws.com:6379",
    "RedisPassword": f"ssm:/{STACK}/redis/password",
    "RedisCluster": "true",
    "SubnetIds": "subnet-01234567",
    "SecurityGroupIds": "sg-01234567",
    "WarmupState": "ENABLED",
    "WarmEnvironments": "50",
}


def longest(value: Any) -> str:
    """Return what CloudFormation makes of a variable's value, with long names."""
    match value:
        case {"Ref": name} if name.endswith("DeploymentGroup"):
            return f"{STACK}-{name}-0123456789AB"
        case {"Ref": name} if name.endswith("Aliaslive"):
            return ARN
        case {"Ref": name} if "Version" in name:
            return ARN
        case {"Ref": name}:
            return RESOURCES[name]
        case {"Fn::Select": [0, [first, *_]]}:
            return longest(first)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda match: longest({"Ref": match[1]}), text)
    assert isinstance(value, str), value
    return value


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_environment_fits_with_long_names_and_every_option(template: Template, function: str) -> None:
    variables = environment(evaluate(template, **ALL_ON), function)
    assert len(json.dumps({name: longest(value) for name, value in variables.items()})) <= MOST


def test_what_the_check_reads_is_that_of_the_functions_that_it_checks(template: Template) -> None:
    resources = evaluate(template, **ALL_ON)
    check, generator = environment(resources, "RolloutCheck"), environment(resources, "Generator")
    shared = {name.upper() for name in RolloutCheckSettings.model_fields} & generator.keys()
    assert {"BUCKET_NAME", "CONTENT_CREDENTIALS_KEY", "MODERATION_LISTS"} <= shared
    assert {name: check[name] for name in shared} == {name: generator[name] for name in shared}
