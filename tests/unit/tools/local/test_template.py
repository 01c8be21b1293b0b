from __future__ import annotations

import os

import boto3
import pytest

from tools.local.process import ACCESS_KEY, REGION
from tools.local.template import aws_environment


def test_the_developers_aws_configuration_does_not_reach_the_stack_and_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {
        "AWS_PROFILE": "no-such-profile",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-1",
        "AWS_SESSION_TOKEN": "a token of a real account",
        "AWS_USE_FIPS_ENDPOINT": "true",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)

    with aws_environment(REGION):
        assert not own.keys() & os.environ.keys()
        session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY)
        assert session.region_name == REGION
        credentials = session.get_credentials()
        assert credentials
        assert credentials.token is None

    assert dict(os.environ) == before
