"""Webhook secrets in SSM Parameter Store."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen.aws.clients import client, code, translated

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=1, read_timeout=4)

CACHE_SECONDS: Final = 60
"""How long a secret is cached, and thus how long a rotation can take to become visible."""

_ABSENT: Final = ("InvalidResourceId", "ParameterNotFound")
"""SSM's answers for the tags of a parameter that does not exist; the second one is MiniStack's."""


class SsmSecretStore:
    """Implements webhooks.ports.SecretStore: one SecureString parameter per tenant, `<path>/<tenant>`."""

    def __init__(self, path: str):
        self._path = path

    @cached_property
    def _client(self) -> Any:
        return client("ssm", _CONFIG)

    @cached_property
    def _provider(self) -> SSMProvider:
        return SSMProvider(boto3_client=self._client)

    def get(self, tenant: str) -> str | None:
        """Return the tenant's parameter, or None if there is none. Raises StorageUnavailable."""
        with translated("SSM"):
            try:
                return str(self._provider.get(self.name(tenant), decrypt=True, max_age=CACHE_SECONDS))
            except GetParameterError as error:
                cause = error.__context__
                if isinstance(cause, ClientError) and code(cause) == "ParameterNotFound":
                    return None
                raise cause or error from None

    def name(self, tenant: str) -> str:
        """Return the name of the tenant's parameter."""
        return f"{self._path}/{tenant}"

    def exists(self, tenant: str) -> bool:
        """Return whether the tenant has a parameter. Raises StorageUnavailable.

        Asks for the parameter's tags, a right that does not include reading its value.
        """
        with translated("SSM"):
            try:
                self._client.list_tags_for_resource(ResourceType="Parameter", ResourceId=self.name(tenant))
            except ClientError as error:
                if code(error) not in _ABSENT:
                    raise
                return False
            return True
