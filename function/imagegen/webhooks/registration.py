"""Rejects a webhook that could not be signed when it is requested, instead of after two days of retries."""

from __future__ import annotations

from contextlib import suppress

from imagegen.errors import StorageUnavailable, WebhookSecretMissing
from imagegen.webhooks.ports import SecretNames


class WebhookRegistration:
    """Knows which tenants can receive webhooks. A secret that was found is not looked for again in this process.

    Not covered: a secret that is deleted later; the webhook then waits for a new one.
    """

    def __init__(self, secrets: SecretNames):
        self._secrets = secrets
        self._found: set[str] = set()

    def require_secret(self, tenant: str) -> None:
        """Raise WebhookSecretMissing if the tenant has no signing secret."""
        if tenant in self._found:
            return
        with suppress(StorageUnavailable):  # the webhook waits for the secret then, not the caller
            if not self._secrets.exists(tenant):
                raise WebhookSecretMissing
            self._found.add(tenant)
