"""Transactions on rows that many requests of one tenant write."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from imagegen.aws.table import ATTEMPTS, condition_failed, conflicted, go_on, retry_conflicts
from imagegen.errors import RateLimited

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Reason = dict[str, Any]
"""Why DynamoDB cancelled a transaction, for one of its items: `Code` (`None` if it was not the cause) and `Item`."""


class Contended(Exception):
    """Other transactions on the same rows kept this one from running."""


def transact(
    client: DynamoDBClient,
    items: list[Any],
    attempts: int = ATTEMPTS,
    on_conflict: Callable[[], None] = go_on,
) -> list[Reason] | None:
    """Write all items or none. Returns None, or one reason for each item if a condition failed.

    Retries conflicts with other transactions, which botocore does not. botocore's own retries of this call carry one
    idempotency token, so they do not write twice. Raises Contended, what
    `on_conflict` raises, and ClientError for any other failure.
    """
    try:
        retry_conflicts(lambda: client.transact_write_items(TransactItems=items), attempts, on_conflict)
    except ClientError as error:
        if condition_failed(error):
            reasons: list[Any] = list(error.response.get("CancellationReasons", []))
            return reasons
        if conflicted(error):
            raise Contended from error
        raise
    return None


def too_many_at_once() -> RateLimited:
    """Return the error of a request that found a row busy for seconds.

    Only the tenant's own requests write it, except for the row that counts the jobs of all tenants (QueueDepth).
    """
    return RateLimited("Too many requests at the same time. Retry in a second.")


def failed(reason: Reason) -> bool:
    """Return whether the item's condition was not met."""
    return reason.get("Code") == "ConditionalCheckFailed"
