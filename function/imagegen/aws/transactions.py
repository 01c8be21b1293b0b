"""Transactions on rows that many requests of one tenant write."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from imagegen.aws.table import condition_failed

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_ATTEMPTS: Final = 10
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 0.5
"""Pauses double, with full jitter: 3.1 s in all at most, half of it on average."""
_JITTER: Final = secrets.SystemRandom()

Reason = dict[str, Any]
"""Why DynamoDB cancelled a transaction, for one of its items: `Code` (`None` if it was not the cause) and `Item`."""


class Contended(Exception):
    """Other transactions on the same rows kept this one from running."""


def transact(client: DynamoDBClient, items: list[Any]) -> list[Reason] | None:
    """Write all items or none. Returns None, or one reason for each item if a condition failed.

    Retries conflicts with other transactions, which botocore does not. botocore's own retries of this call carry one
    idempotency token, so they do not write twice. Raises Contended, and ClientError for any other failure.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_JITTER.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1))))
        try:
            client.transact_write_items(TransactItems=items)
        except ClientError as error:
            reasons: list[Any] = list(error.response.get("CancellationReasons", []))
            if condition_failed(error):
                return reasons
            if "TransactionConflict" not in {reason.get("Code") for reason in reasons}:
                raise
        else:
            return None
    raise Contended


def failed(reason: Reason) -> bool:
    """Return whether the item's condition was not met."""
    return reason.get("Code") == "ConditionalCheckFailed"
