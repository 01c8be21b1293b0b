"""Move the rows of index by_due to the keys that versions without shards read, after a rollback to one of them.

Such a version's sweeper restarts no job and releases no reservation that is under another key. This changes nothing
else, and may run again. Not for a stack whose version has shards: its next write of each row would move it back.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagegen.aws.due_shards import EARLIER, Kind, due_shards
from imagegen.aws.table import condition_held
from tools.deploy import stack

KINDS: Final[tuple[Kind, ...]] = ("running", "open", "sent", "done", "reserved")


def unshard(dynamodb: Any, table: str) -> int:
    """Move every row, and return how many there were. Raises botocore's ClientError."""
    return sum(_moved(dynamodb, table, kind, shard) for kind in KINDS for shard in due_shards(kind))


def _moved(dynamodb: Any, table: str, kind: Kind, shard: str) -> int:
    earlier = EARLIER.get(kind, EARLIER["open"])
    if shard == earlier:
        return 0
    return sum(_move(dynamodb, table, key, shard, earlier) for key in list(_keys(dynamodb, table, shard)))


def _keys(dynamodb: Any, table: str, shard: str) -> Iterator[dict[str, Any]]:
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName="by_due",
        KeyConditionExpression="due_shard = :shard",
        ExpressionAttributeValues={":shard": {"S": shard}},
    )
    for page in pages:
        yield from ({"pk": item["pk"], "sk": item["sk"]} for item in page["Items"])


def _move(dynamodb: Any, table: str, key: dict[str, Any], shard: str, earlier: str) -> bool:
    """Move the row unless it has changed its shard or is gone. Returns whether it was moved."""
    return condition_held(
        lambda: dynamodb.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="SET due_shard = :earlier",
            ConditionExpression="due_shard = :shard",
            ExpressionAttributeValues={":earlier": {"S": earlier}, ":shard": {"S": shard}},
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    name: str = parser.parse_args().stack_name
    try:
        table = stack.resources(boto3.client("cloudformation"), name)["Table"]
        print(f"{name}: {unshard(boto3.client('dynamodb'), table)} rows moved.")
    except KeyError as error:
        sys.exit(f"{name}: the stack has no {error}.")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"{name}: {error}. Run it again.")


if __name__ == "__main__":
    main()
