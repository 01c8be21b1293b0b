"""Tenants and keys on moto, and an API Gateway with keys, as a deployment of an earlier version has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boto3

from imagegen.access import api_key
from imagegen.access.authentication import Authenticator
from imagegen.access.caller import Caller
from imagegen.access.tenant_keys import TenantKeys
from imagegen.aws.callers import DynamoCallers
from imagegen.aws.webhook_secrets import SsmWebhookSecrets
from imagegen.errors import InvalidCredentials
from tests.support.job_world import JobWorld

ADMIN = Caller.of("owner", "key:owner", ["admin"])
OPERATOR = Caller.of("owner", "key:operator", ["operator"])
SECRETS_PATH = "/imagegen/webhooks"


@dataclass
class CallerWorld:
    """The services for tenants and keys, on the table and the clock of a JobWorld."""

    world: JobWorld
    directory: DynamoCallers = field(init=False)
    keys: TenantKeys = field(init=False)

    def __post_init__(self) -> None:
        self.clock = self.world.clock
        self.directory = DynamoCallers(self.world.resources["Table"], self.clock)
        self.secrets = SsmWebhookSecrets(SECRETS_PATH)
        self.keys = TenantKeys(self.directory, self.secrets, self.clock)
        self.authenticator = Authenticator(self.directory, None, self.clock)

    def tenant_of(self, key: str) -> str | None:
        """Return the tenant of a request with this key, or None if it is refused."""
        try:
            return self.authenticator.caller([("Authorization", f"Bearer {key}")], []).tenant
        except InvalidCredentials:
            return None

    def find(self, key: str) -> Caller | None:
        """Return the key's caller."""
        found = self.directory.find(api_key.digest(key))
        return None if found is None else found.caller

    def rows(self, *prefixes: str) -> list[dict[str, Any]]:
        """Return the rows of tenants and keys, or those with other prefixes."""
        return [row for prefix in prefixes or ("TENANT#", "KEY#") for row in self.world.items(prefix)]


def webhook_secret(tenant: str) -> str:
    """Return the value of the tenant's webhook secret."""
    name = f"{SECRETS_PATH}/{tenant}"
    return str(boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
