"""`make webhook-secret`, and the secret store that the Webhooks function reads."""

from __future__ import annotations

from typing import Literal

import boto3
import pytest
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


@pytest.mark.parametrize("action", ["show", "rotate", "retire"])
def test_a_value_written_by_hand_is_reported_with_its_parameter_and_stays(
    action: Literal["show", "rotate", "retire"],
) -> None:
    with mock_aws():
        ssm = boto3.client("ssm")
        ssm.put_parameter(Name="/imagegen-dev/webhooks/alice", Value="whsec_canary", Type="SecureString")
        with pytest.raises(ValueError, match=r"/imagegen-dev/webhooks/alice: expected .* Delete it") as caught:
            apply_action(ssm, "imagegen-dev", "alice", action)
        assert "canary" not in str(caught.value)
        assert SsmSecretStore("/imagegen-dev/webhooks").get("alice") == "whsec_canary"


def test_the_functions_read_the_path_that_the_command_writes(translated: Template) -> None:
    variables = translated["Resources"]["Api"]["Properties"]["Environment"]["Variables"]
    assert variables["WEBHOOK_SECRETS_PATH"] == {"Fn::Sub": "/${AWS::StackName}/webhooks"}
