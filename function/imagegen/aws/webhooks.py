"""Webhooks in the DynamoDB table: those that wait for a later attempt, and the slots of tenants' deliveries.

| row | `pk`, `sk` | attributes |
|---|---|---|
| held webhook | `WEBHOOK#{tenant}#{job_id}`, `WEBHOOK` | `body`: the message; shard `webhook` of `by_due` |
| slots | `WEBHOOK_SLOTS#{tenant}`, `WEBHOOK_SLOTS` | `slot0` ...: until when each is taken, epoch milliseconds |

A held webhook has neither `expires_at`, because TTL would lose it, nor `job_id`, which would list it among the jobs.
"""

from __future__ import annotations

import secrets
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from imagegen.aws.clients import translated
from imagegen.aws.table import Item, Table, condition_failed, condition_held, deserialized, serialized
from imagegen.jobs.ports import Listed
from imagegen.webhooks.message import WebhookMessage

SHARD: Final = "webhook"
"""Partition key of index by_due. It accepts 1,000 writes per second: 30,000 retries a minute."""
_CHOICE: Final = secrets.SystemRandom()
_RACES: Final = 3
"""Attempts to take a slot while other processes take theirs."""
_KEPT_S: Final = 86_400
"""A row of slots expires this long after it was last used."""


class DynamoHeldWebhooks(Table):
    """Implements webhooks.ports.HeldWebhooks."""

    def hold(self, message: WebhookMessage, due_at: int) -> None:
        """Keep the message until `due_at`: 0.2 MB at most, and an item may have 0.4 MB."""
        item = _held_key(message.tenant, message.job_id) | {
            "tenant": message.tenant,
            "body": message.body(),
            "due_shard": SHARD,
            "due_at": due_at,
        }
        with translated("DynamoDB"):
            self._client.put_item(TableName=self._name, Item=serialized(item))

    def due(self, limit: int) -> list[Listed]:
        """Return up to `limit` webhooks that are due, the oldest first."""
        with translated("DynamoDB"):
            return [Listed(*pk.split("#")[1:]) for pk in self._due_keys(SHARD, limit)]

    def get(self, tenant: str, job_id: str) -> tuple[str, int] | None:
        """Return the body of the held message and when it is due."""
        with translated("DynamoDB"):
            item = self._read(_held_key(tenant, job_id))
        return None if item is None else (item["body"], int(item["due_at"]))

    def remove(self, tenant: str, job_id: str, due_at: int) -> None:
        """Remove the message, unless another one has replaced it."""
        with translated("DynamoDB"):
            condition_held(
                lambda: self._client.delete_item(
                    TableName=self._name,
                    Key=serialized(_held_key(tenant, job_id)),
                    ConditionExpression="due_at = :due_at",
                    ExpressionAttributeValues=serialized({":due_at": due_at}),
                )
            )


class DynamoSlots(Table):
    """Implements webhooks.ports.SlotStore: one row for each tenant, one write to take and one to release."""

    def take(self, tenant: str, slots: int, seconds: float) -> str | None:
        """Take one of the tenant's slots. Returns `{slot}={until}`, or None if all are taken."""
        now, names = self._clock(), [f"slot{number}" for number in range(slots)]
        until = now + round(seconds * 1000)
        with translated("DynamoDB"):
            for _ in range(_RACES):
                name = _CHOICE.choice(names)
                taken = self._take(tenant, name, now, until)
                if taken is None:
                    return f"{name}={until}"
                names = [each for each in names if int(taken.get(each, 0)) < now]
                if not names:
                    break
        return None

    def release(self, tenant: str, token: str) -> None:
        """Release the slot if its lease still is that of the token."""
        name, until = token.split("=")
        with translated("DynamoDB"):
            condition_held(
                lambda: self._client.update_item(
                    TableName=self._name,
                    Key=serialized(_slots_key(tenant)),
                    UpdateExpression=f"REMOVE {name}",
                    ConditionExpression=f"{name} = :until",
                    ExpressionAttributeValues=serialized({":until": int(until)}),
                )
            )

    def _take(self, tenant: str, name: str, now: int, until: int) -> Item | None:
        """Return None if the slot was free, or the row."""
        values = {":now": now, ":until": until, ":tenant": tenant, ":expires": until // 1000 + _KEPT_S}
        try:
            self._client.update_item(
                TableName=self._name,
                Key=serialized(_slots_key(tenant)),
                UpdateExpression=f"SET {name} = :until, tenant = :tenant, expires_at = :expires",
                ConditionExpression=f"attribute_not_exists({name}) OR {name} < :now",
                ExpressionAttributeValues=serialized(values),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return deserialized(cast(dict[str, Any], error.response).get("Item", {}))
        return None


def _held_key(tenant: str, job_id: str) -> dict[str, str]:
    return {"pk": f"WEBHOOK#{tenant}#{job_id}", "sk": "WEBHOOK"}


def _slots_key(tenant: str) -> dict[str, str]:
    return {"pk": f"WEBHOOK_SLOTS#{tenant}", "sk": "WEBHOOK_SLOTS"}
