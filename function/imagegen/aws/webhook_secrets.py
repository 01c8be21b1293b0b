"""Makes webhook secrets in SSM Parameter Store, without the right to read one."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen.aws.clients import client, code, translated
from imagegen.webhooks.signature import SigningSecrets

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=1, read_timeout=4)


class SsmWebhookSecrets:
    """Implements access.ports.WebhookSecrets. `path` is that of aws.ssm.SsmSecretStore. Only tools pass a client."""

    def __init__(self, path: str, client: Any = None):
        self._path = path
        self._given = client

    @cached_property
    def _client(self) -> Any:
        return self._given or client("ssm", _CONFIG)

    def ensure(self, tenant: str) -> None:
        """Make the tenant's first webhook secret; one that exists stays. Raises StorageUnavailable."""
        with translated("SSM"):
            try:
                self._client.put_parameter(
                    Name=f"{self._path}/{tenant}", Value=str(SigningSecrets.new()), Type="SecureString", Overwrite=False
                )
            except ClientError as error:
                if code(error) != "ParameterAlreadyExists":
                    raise
