"""The callers of the local stack: a tenant with a key, and an operator. A restart finds the same keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from imagegen.access import api_key, tenant
from imagegen.aws.callers import DynamoCallers
from imagegen.aws.webhook_secrets import SsmWebhookSecrets
from imagegen.wiring import epoch_ms
from tools.deploy import operators, webhook_secret
from tools.deploy.migrate_keys import migrate

_OPERATOR_KEY: Final = "/{stack}/local/operator-key"
"""Parameter with the operator's key. On AWS no key is stored; here it must survive a restart."""


@dataclass(frozen=True)
class LocalCallers:
    """Keys of the two callers, and the secret of the tenant's webhooks."""

    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    operator_key: str = field(repr=False)


@dataclass(frozen=True)
class DeployedStack:
    """What the callers are made with: clients of the stack's AWS, and names of its resources."""

    name: str
    table: str
    rest_api: str
    api_key_id: str
    apigateway: Any
    dynamodb: Any
    ssm: Any

    def callers(self) -> LocalCallers:
        """Make what is missing, as `make deploy` does, and return the callers."""
        store = DynamoCallers(self.table, epoch_ms, self.dynamodb)
        migrate(self.apigateway, self.rest_api, store, SsmWebhookSecrets(f"/{self.name}/webhooks", self.ssm))
        key = self.apigateway.get_api_key(apiKey=self.api_key_id, includeValue=True)["value"]
        secrets = webhook_secret.apply_action(self.ssm, self.name, tenant.of_api_key(key), "show")
        return LocalCallers(key, secrets.values[0], self._operator_key(store))

    def _operator_key(self, store: DynamoCallers) -> str:
        kept = self._kept_key()
        if kept is None or store.find(api_key.digest(kept)) is None:
            kept = operators.new_key(operators.keys_of(self.name, self.table, self.dynamodb, self.ssm))
            self.ssm.put_parameter(Name=self._parameter, Value=kept, Type="SecureString", Overwrite=True)
        return kept

    def _kept_key(self) -> str | None:
        try:
            return str(self.ssm.get_parameter(Name=self._parameter, WithDecryption=True)["Parameter"]["Value"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise

    @property
    def _parameter(self) -> str:
        return _OPERATOR_KEY.format(stack=self.name)
