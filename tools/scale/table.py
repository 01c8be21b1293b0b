"""A DynamoDB table with the product's indexes, in memory, with DynamoDB's limits and a cost in time for each call.

Only the calls and expressions of the job store and of the index queries are understood; any other fails.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from tools.scale.clock import VirtualClock

KEY_WRITES_S: Final = 1000
"""DynamoDB's write units per second for one partition, and so for one partition key of an index."""
KEY_READS_S: Final = 3000
"""Its read units; one is 8 KB of an index, or 80 keys."""
KEYS_OF_A_READ: Final = 80
KEYS_OF_A_PAGE: Final = 10_000
"""A page of a query has a megabyte; a key in an index takes about 100 bytes."""
INDEXES: Final = {"by_due": ("due_shard", "due_at"), "by_turn": ("turn_shard", "pk")}

Raw = dict[str, Any]
Entry = tuple[Any, str]


@dataclass(frozen=True)
class Costs:
    """Seconds of a call: those of one vCPU, or of waiting divided by the threads, whichever is longer."""

    call_s: float = 0.003
    """1.8 to 2.3 ms of processor time were measured (docs/scale.md); Lambda's vCPU is taken to be a third slower."""
    page_s: float = 0.2
    """136 ms were measured for 10,000 keys."""


@dataclass
class SimulatedTable:
    """The part of a boto3 DynamoDB client that the product's adapters of jobs and turns use."""

    clock: VirtualClock
    costs: Costs = field(default_factory=Costs)
    items: dict[str, Raw] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    """Write units by partition key of an index, and of the table itself as `table`."""
    calls: int = 0
    throttled_s: float = 0.0
    _entries: dict[str, dict[str, list[Entry]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    _paid_until: dict[str, float] = field(default_factory=dict)

    def get_item(self, Key: Raw, **_: Any) -> Raw:  # noqa: N803 (boto3's name)
        self._call()
        item = self.items.get(Key["pk"]["S"])
        return {"Item": dict(item)} if item is not None else {}

    def update_item(self, **request: Any) -> Raw:
        self._call()
        self._update(request)
        return {}

    def delete_item(self, **request: Any) -> Raw:
        self._call()
        item = self.items.get(request["Key"]["pk"]["S"])
        condition = request["ConditionExpression"]
        if condition != "expires_at <= :now":
            raise NotImplementedError(condition)
        now = int(request["ExpressionAttributeValues"][":now"]["N"])
        if item is None or int(item["expires_at"]["N"]) > now:
            raise _failed({})
        self._replace(item["pk"]["S"], None)
        return {}

    def transact_write_items(self, TransactItems: list[Any], **_: Any) -> Raw:  # noqa: N803 (boto3's name)
        self._call()
        for each in TransactItems:
            ((kind, write),) = each.items()
            if kind == "Put":
                self._replace(write["Item"]["pk"]["S"], write["Item"], transactional=True)
            elif "#revision" in write.get("ExpressionAttributeNames", {}):
                self._update(write, transactional=True)
            else:
                self.writes["table"] += 2  # usage: a row of its own
        return {}

    def get_paginator(self, operation: str) -> SimulatedTable:
        if operation != "query":
            raise NotImplementedError(operation)
        return self

    def paginate(self, **query: Any) -> Iterator[Raw]:
        limit = query["PaginationConfig"]["MaxItems"]
        _, sort = INDEXES[query["IndexName"]]
        values = query["ExpressionAttributeValues"]
        entries = self._entries[query["IndexName"]][values[":shard"]["S"]]
        if sort == "due_at":
            found = entries[: bisect_left(entries, (int(values[":now"]["N"]) + 1, ""))]
        else:
            found = entries[bisect_left(entries, (values[":after"]["S"] + "\0", "")) :]
        found = found[:limit]
        for first in range(0, max(len(found), 1), KEYS_OF_A_PAGE):
            page = found[first : first + KEYS_OF_A_PAGE]
            self._call(self.costs.page_s * len(page) / KEYS_OF_A_PAGE)
            self._take(f"read {values[':shard']['S']}", 0.5 + len(page) / KEYS_OF_A_READ, KEY_READS_S)
            yield {"Items": [{"pk": {"S": pk}} for _, pk in page]}

    def put(self, item: Raw) -> None:
        """Store an item without cost, as a part of the state that the simulation begins with."""
        self._index(item, add=True)
        self.items[item["pk"]["S"]] = item

    def copied(self, clock: VirtualClock) -> SimulatedTable:
        """Return a table with the same items, whose use begins now."""
        copy = SimulatedTable(clock, self.costs, dict(self.items))
        for index, shards in self._entries.items():
            copy._entries[index] = defaultdict(list, {shard: list(entries) for shard, entries in shards.items()})
        return copy

    def _update(self, request: Mapping[str, Any], *, transactional: bool = False) -> None:
        pk, values = request["Key"]["pk"]["S"], request["ExpressionAttributeValues"]
        if request["ConditionExpression"] != "#revision = :seen":
            raise NotImplementedError(request["ConditionExpression"])
        stored = self.items.get(pk)
        if stored is None or stored["revision"] != values[":seen"]:
            raise _failed(stored or {})
        set_part, _, removed = request["UpdateExpression"].partition(" REMOVE ")
        item = dict(stored) | {name: values[f":{name}"] for name in re.findall(r"#(\w+) =", set_part)}
        for name in re.findall(r"#(\w+)", removed):
            item.pop(name)
        self._replace(pk, item, transactional=transactional)

    def _replace(self, pk: str, item: Raw | None, *, transactional: bool = False) -> None:
        before = self.items.get(pk)
        size = max(_bytes(before), _bytes(item))
        self.writes["table"] += (2 if transactional else 1) * -(-size // 1024)
        for name in INDEXES:
            old, new = _entry(name, before), _entry(name, item)
            if old != new:
                for entry in (old, new):
                    if entry is not None:
                        self._write(entry[0])
        if before is not None:
            self._index(before, add=False)
        if item is not None:
            self._index(item, add=True)
            self.items[pk] = item
        else:
            del self.items[pk]

    def _write(self, key: str) -> None:
        self.writes[key] += 1
        self._take(key, 1, KEY_WRITES_S)

    def _take(self, key: str, units: float, per_second: int) -> None:
        """Take units of the key; wait as long as DynamoDB refuses the call: beyond a second's units at once."""
        paid_until = max(self.clock.now, self._paid_until.get(key, 0.0)) + units / per_second
        self._paid_until[key] = paid_until
        wait_s = max(0.0, paid_until - self.clock.now - 1.0)
        self.throttled_s += wait_s
        self.clock.spend(wait_s)

    def _index(self, item: Raw, *, add: bool) -> None:
        for name in INDEXES:
            entry = _entry(name, item)
            if entry is not None:
                shard, *rest = entry
                entries = self._entries[name][shard]
                if add:
                    insort(entries, tuple(rest))
                else:
                    del entries[bisect_left(entries, tuple(rest))]

    def _call(self, more_s: float = 0.0) -> None:
        self.calls += 1
        self.clock.spend(self.costs.call_s + more_s)


def _entry(index: str, item: Raw | None) -> tuple[str, Any, str] | None:
    partition, sort = INDEXES[index]
    if item is None or partition not in item or sort not in item:
        return None
    ((kind, value),) = item[sort].items()
    return item[partition]["S"], int(value) if kind == "N" else value, item["pk"]["S"]


def _bytes(item: Raw | None) -> int:
    return sum(len(name) + len(str(next(iter(value.values())))) for name, value in (item or {}).items())


def _failed(item: Raw) -> ClientError:
    response: Any = {"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}, "Item": item}
    return ClientError(response, "UpdateItem")
