"""`make webhook-secret`, and the secret store that the Webhooks function reads."""

from __future__ import annotations

import boto3
from moto import mock_aws

from imagegen.aws.ssm import SsmSecretStore
from imagegen.webhooks.signature import SigningSecrets
from tools.deploy.webhook_secret import apply_action
from tools.local.template import Template


def stored() -> SigningSecrets:
    """Return the secrets as the Webhooks function reads them."""
    text = SsmSecretStore("/imagegen-dev/webhooks").get("alice")
    assert text is not None
    return SigningSecrets.parse(text)


def test_a_secret_is_created_once_rotated_and_retired() -> None:
    with mock_aws():
        first = apply_action(boto3.client("ssm"), "imagegen-dev", "alice", "show")
        assert apply_action(boto3.client("ssm"), "imagegen-dev", "alice", "show") == stored() == first
        both = apply_action(boto3.client("ssm"), "imagegen-dev", "alice", "rotate")
        assert stored() == both
        assert both.values[1:] == first.values
        newest = apply_action(boto3.client("ssm"), "imagegen-dev", "alice", "retire")
        assert stored() == newest
        assert newest.values == both.values[:1]
        (parameter,) = boto3.client("ssm").describe_parameters()["Parameters"]
        assert parameter["Type"] == "SecureString"


def test_the_functions_read_the_path_that_the_command_writes(translated: Template) -> None:
    variables = translated["Resources"]["Api"]["Properties"]["Environment"]["Variables"]
    assert variables["WEBHOOK_SECRETS_PATH"] == {"Fn::Sub": "/${AWS::StackName}/webhooks"}
