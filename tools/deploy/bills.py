"""Export the bills in a stack's table, which would otherwise be deleted with it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from imagegen_cli.whole_file import whole_file


def export(dynamodb: Any, table: str, path: Path) -> int:
    """Write every bill of the table to `path`, one JSON object per line, and return how many there are.

    Writes no file if there are none. `path` exists only when it is complete. Raises botocore's ClientError, OSError,
    and FileExistsError if `path` exists, also as a link.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    bills, count = _bills(dynamodb, table), 0
    first = next(bills, None)
    if first is None:
        return 0
    with whole_file(path) as file:
        for bill in chain([first], bills):
            file.write(json.dumps(bill, default=_number, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def _bills(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:
    deserialize = TypeDeserializer().deserialize
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        FilterExpression="begins_with(pk, :bill)",
        ExpressionAttributeValues={":bill": {"S": "BILL#"}},
    )
    for page in pages:
        for item in page["Items"]:
            yield {name: deserialize(value) for name, value in item.items()}


def _number(value: Any) -> int | float:
    """Return a DynamoDB number as JSON's. A float has more digits than any bill."""
    if not isinstance(value, Decimal):
        raise TypeError(f"not a number: {type(value).__name__}")
    return int(value) if value == value.to_integral_value() else float(value)
