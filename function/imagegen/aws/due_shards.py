"""Partition keys of index by_due: what is due, by kind, each kind in several shards. Pure.

DynamoDB allows 1,000 writes per second to one partition key of an index, and refuses the table's own write beyond that.
A key that changes costs the index two writes. docs/scale.md has the arithmetic.
"""

from __future__ import annotations

from typing import Final, Literal
from zlib import crc32

from imagegen.jobs.ports import DueKind

Kind = DueKind | Literal["reserved"]
"""What a row is due for: a kind of jobs, or a reservation."""

SHARDS: Final = 4
"""Per kind. Stored: with fewer, the sweeper must go on to read those that are gone."""
EARLIER: Final[dict[Kind, str]] = {"open": "open", "done": "done", "reserved": "reserved"}
"""The one key of a kind in rows of versions without shards, whose `open` also had the kinds `running` and `sent`."""


def due_shard(kind: Kind, row_id: str) -> str:
    """Return the partition key of the row with this id, of a job or a reservation."""
    return f"{kind}#{crc32(row_id.encode()) % SHARDS}"


def due_shards(kind: Kind) -> list[str]:
    """Return every partition key of the kind, that of earlier versions last."""
    return [*(f"{kind}#{shard}" for shard in range(SHARDS)), *([EARLIER[kind]] if kind in EARLIER else [])]
