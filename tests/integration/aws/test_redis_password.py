"""The password of Redis in Parameter Store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from imagegen.aws.redis_password import SsmRedisPassword
from imagegen.errors import StorageUnavailable

NAME = "/imagegen/redis/password"


@pytest.fixture
def ssm() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("ssm")


def put(ssm: Any, password: str) -> None:
    ssm.put_parameter(Name=NAME, Value=password, Type="SecureString", Overwrite=True)


def test_it_is_decrypted_and_one_read_serves_a_minute_of_connections(ssm: Any) -> None:
    put(ssm, "first")
    password = SsmRedisPassword(NAME)
    assert password.read() == "first"
    put(ssm, "second")
    assert password.read() == "first"
    assert SsmRedisPassword(NAME).read() == "second"


def test_without_the_parameter_it_is_unavailable_until_there_is_one(ssm: Any) -> None:
    password = SsmRedisPassword(NAME)
    with pytest.raises(StorageUnavailable) as caught:
        password.read()
    assert caught.value.private == "SSM: ParameterNotFound ParameterNotFound"
    put(ssm, "first")
    assert password.read() == "first"
