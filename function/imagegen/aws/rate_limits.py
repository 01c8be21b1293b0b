"""Rate limits in the DynamoDB table: one conditional write for each decision.

DynamoDB has no maximum in an update, so a full bucket and one that is not take different writes. The one to try first
follows from what this process has seen; a wrong guess costs a second call, and tells the state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from botocore.exceptions import ClientError

from imagegen.aws.clients import translated
from imagegen.aws.table import Item, Table, condition_failed, conflicted, deserialized, retry_conflicts, serialized
from imagegen.aws.transactions import too_many_at_once
from imagegen.jobs.ports import Clock
from imagegen.limits.rate_limit import Decision, RatePolicy, TatMemory

_KEPT_S: Final = 3600
"""A row expires this long after its bucket is full. A full bucket needs no row."""


class DynamoRateLimits(Table):
    """Implements limits.ports.RateLimits.

    If the reply to a write is lost and botocore repeats it, the request counts twice: the safe side.
    """

    def __init__(self, name: str, clock: Clock, memory: TatMemory | None = None):
        super().__init__(name, clock)
        self._memory = memory or TatMemory()

    def take(self, tenant: str, policy: RatePolicy) -> Decision:
        """Decide on one request, and count it if it is admitted. Raises StorageUnavailable, and RateLimited
        if transactions of the tenant's other requests (admissions.py) kept the row busy for seconds.

        A refusal that follows from what this process has seen needs no call, any other decision one. It needs a second
        one if another process has used the bucket in between, and a third if one does so between the two.
        """
        now_us = self._clock() * 1000
        with translated("DynamoDB"):
            while (decision := self._memory.decide(tenant, policy, now_us)).allowed:
                tat_us, written = self._write(tenant, decision)
                self._memory.learn(tenant, policy, tat_us)
                if written and tat_us is not None:
                    return replace(decision, tat_us=tat_us)
        return decision

    def _write(self, tenant: str, decision: Decision) -> tuple[int | None, bool]:
        """Try to write the decision. Returns the tat that the row has now, and whether it was written."""
        update, written = rate_update(self._name, tenant, decision), Item()
        try:
            retry_conflicts(lambda: written.update(self._client.update_item(**update, ReturnValues="UPDATED_NEW")))
        except ClientError as error:
            if conflicted(error):
                raise too_many_at_once() from error
            if not condition_failed(error):
                raise
            return stored_tat(error.response.get("Item")), False
        return stored_tat(written["Attributes"]), True


def rate_update(table: str, tenant: str, decision: Decision) -> dict[str, Any]:
    """Return the update that admits the request. Its condition fails if the bucket is not as `decision` assumes."""
    policy, now_us = decision.policy, decision.now_us
    values: Item = {
        ":now": now_us,
        ":tenant": tenant,
        ":expires": (now_us + policy.capacity_us) // 1_000_000 + _KEPT_S,
    }
    if decision.idle:
        tat, condition = ":tat", "attribute_not_exists(tat) OR tat <= :now OR tat > :beyond"
        values |= {":tat": decision.tat_us, ":beyond": now_us + policy.beyond_us}
    else:
        tat, condition = "tat + :interval", "tat BETWEEN :now AND :last"
        values |= {":interval": policy.interval_us, ":last": now_us + policy.last_us}
    return {
        "TableName": table,
        "Key": serialized({"pk": f"RATE#{tenant}#{policy.route_class}", "sk": "RATE"}),
        "UpdateExpression": f"SET tat = {tat}, tenant = :tenant, expires_at = :expires",
        "ConditionExpression": condition,
        "ExpressionAttributeValues": serialized(values),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def stored_tat(item: Any) -> int | None:
    """Return the tat of a row in DynamoDB's JSON; None without a row."""
    return int(deserialized(item)["tat"]) if item else None
