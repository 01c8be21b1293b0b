"""The password of Redis in SSM Parameter Store."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config

from imagegen.aws.clients import client, translated

_CONFIG: Final = Config(
    # A request waits for it, and can do without it.
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=0.5,
    read_timeout=1,
)
CACHE_SECONDS: Final = 60
"""How long a password is used for new connections, and thus how long a rotation can take to become visible."""


class SsmRedisPassword:
    """A SecureString parameter."""

    def __init__(self, name: str):
        self._name = name

    @cached_property
    def _provider(self) -> SSMProvider:
        return SSMProvider(boto3_client=client("ssm", _CONFIG))

    def read(self) -> str:
        """Return the password. Raises StorageUnavailable, also if there is no such parameter."""
        with translated("SSM"):
            try:
                return str(self._provider.get(self._name, decrypt=True, max_age=CACHE_SECONDS))
            except GetParameterError as error:
                raise error.__context__ or error from None
