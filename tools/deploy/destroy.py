"""Prepare a stack for its deletion: ask, export the bills, empty the bucket, lift the protection (`make destroy`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tools.deploy import bills, empty_bucket, stack


class Refused(Exception):
    """The caller did not confirm, or there is nothing to delete. Nothing was changed."""


def confirm(stack_name: str, given: str | None, ask: Callable[[str], str] | None) -> None:
    """Return if the caller typed the stack's name, as `given` or as the answer to `ask`. Raises Refused otherwise."""
    if given is None and ask is None:
        raise Refused(f"Confirm with CONFIRM={stack_name}: this deletes the stack, its images, jobs and bills.")
    if given is None and ask is not None:
        given = ask(f"This deletes {stack_name} with its images and jobs. Type its name to continue: ")
    if given != stack_name:
        raise Refused(f"{given!r} is not {stack_name!r}: nothing was deleted.")


def prepare(stack_name: str, now: datetime, folder: Path, report: Callable[[str], None]) -> None:
    """Export the bills into `folder`, then delete all objects, then switch off the table's deletion protection.

    A step that fails stops the ones after it. Finishes what an earlier, interrupted run began. Raises Refused if there
    is no such stack, OSError if the bills cannot be written, NotEmptied, and botocore's ClientError.
    """
    cloudformation, dynamodb = boto3.client("cloudformation"), boto3.client("dynamodb")
    if stack.parameters(cloudformation, stack_name) is None:
        raise Refused(f"{stack_name}: there is no such stack in this account and region.")
    table = stack.resources(cloudformation, stack_name).get("Table")
    if table is not None:
        path = folder / f"bills-{stack_name}-{now:%Y%m%dT%H%M%SZ}.jsonl"
        count = bills.export(dynamodb, table, path)
        report(f"{stack_name}: exported {count} bills to {path}" if count else f"{stack_name}: there are no bills")
    report(f"{stack_name}: deleted {empty_bucket.empty(stack_name)} objects")
    if table is not None:
        _lift_protection(dynamodb, table)


def _lift_protection(dynamodb: Any, table: str) -> None:
    if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 2, "MaxAttempts": 60})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    parser.add_argument("--confirm", help="the stack's name; asked for on a terminal if omitted")
    parsed = parser.parse_args()
    try:
        confirm(parsed.stack_name, parsed.confirm, input if sys.stdin.isatty() else None)
        prepare(parsed.stack_name, datetime.now(UTC), Path(), print)
    except (Refused, empty_bucket.NotEmptied, BotoCoreError, ClientError, OSError) as error:
        sys.exit(f"{parsed.stack_name}: {error}" if not isinstance(error, Refused) else str(error))


if __name__ == "__main__":
    main()
