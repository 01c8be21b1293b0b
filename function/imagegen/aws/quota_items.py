"""Reservations, quotas and usage as items of the table, and the writes that change them. Pure.

Each write is an entry of TransactItems, so that the store of jobs can add it to a transaction of its own.

| row | `pk`, `sk` | attributes |
|---|---|---|
| quota | `QUOTA#{tenant}#{month}`, `QUOTA` | `images`, `usd_e8`: used and reserved together |
| unfinished jobs | `OPEN#{tenant}`, `OPEN`; of all tenants: `OPEN`, `OPEN` | `jobs` |
| reservation | `RESERVATION#{tenant}#{id}`, `RESERVATION` | `quota_month`, `images`, `usd_e8`, `is_job`, `in_all` |
| usage | `USAGE#{tenant}`, `{month}#{model}` | `images`, `billed_ms`, `usd_e8`, `turn_shard` |
| bill | `BILL#{tenant}#{id}`, `BILL` | `images`, `billed_ms`, `usd`, `model`, `quota_month` |

`usd_e8` is a whole number of 10^-8 US dollars, the last digit of a bill: sums of integers are exact everywhere, also in
the stand-ins for DynamoDB. Reservations are in the index by_due, and the usage of a month in by_turn. None of the rows
has `expires_at`: TTL would delete a reservation without settling it, and the others are accounts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

from imagegen.aws.due_shards import due_shard
from imagegen.aws.table import Item, serialized
from imagegen.aws.transactions import Reason, failed
from imagegen.errors import LimitReached
from imagegen.limits.quota import USD_STEP, Amount, Quota, Reservation, queue_full, quota_exceeded
from imagegen.limits.usage import Charge, Usage


def usage_shard(month: str) -> str:
    """Return the shard of index by_turn with the usage of the month, by tenant.

    The index has only keys, so it is written once for a month, tenant and model, and not when their sums grow.
    """
    return f"usage#{month}"


Write = dict[str, Any]
"""An entry of TransactItems."""


def reserving_writes(
    table: str, reservation: Reservation | None, quota: Quota, held: Reservation | None = None
) -> list[Write]:
    """Return the writes that hold the amount, some of which `held` holds already; none without a reservation."""
    if reservation is None:
        return []
    if held is None:
        return reserve_writes(table, reservation, quota)
    return hand_over_writes(table, held, reservation, quota)


def reserve_writes(table: str, reservation: Reservation, quota: Quota) -> list[Write]:
    """Return the writes that hold the amount: quota, reservation and, for a job, the unfinished jobs."""
    writes = [{"Update": _hold(table, reservation, quota)}, {"Put": _put_reservation(table, reservation)}]
    return [*writes, *_open_writes(table, reservation, quota)] if reservation.is_job else writes


def hand_over_writes(table: str, held: Reservation, reservation: Reservation, quota: Quota) -> list[Write]:
    """Return the writes that turn the reservation of a request into that of its job: as many as `reserve_writes`.

    Only the difference of the amounts is held. The second write fails if the request's reservation has ended.
    """
    more = Amount(reservation.amount.images - held.amount.images, reservation.amount.usd - held.amount.usd)
    hold = _hold(table, replace(reservation, amount=more), quota)
    return [{"Update": hold}, {"Update": _become_job(table, reservation)}, *_open_writes(table, reservation, quota)]


def refusal(reservation: Reservation, quota: Quota, reasons: list[Reason], now_ms: int) -> LimitReached | None:
    """Return why `reserve_writes` was cancelled; None if the reservation exists: an earlier attempt wrote it."""
    held, exists, *jobs = reasons
    if failed(exists):
        return None
    if failed(held):
        return quota_exceeded(reservation, quota, amount_of(held.get("Item")), now_ms)
    if any(map(failed, jobs)):
        return queue_full(quota, in_all=not failed(jobs[0]))
    return None


def settle_writes(table: str, reservation: Reservation, charge: Charge | None) -> list[Write]:
    """Return the writes that end the reservation, which is the first of them: it fails if it has ended before.

    The charge is at most what was reserved (Charge.within), so quota, usage and bill agree.
    """
    writes: list[Write] = [{"Delete": _delete_reservation(table, reservation)}]
    held, cost = reservation.amount, charge.amount if charge else Amount()
    if cost != held:
        change = {"images": cost.images - held.images, "usd_e8": _e8(cost.usd) - _e8(held.usd)}
        writes.append(
            {"Update": _add(table, quota_key(reservation.tenant, reservation.month), reservation.tenant, change)}
        )
    if reservation.is_job:
        writes += [{"Update": _add(table, key, tenant, {"jobs": -1})} for key, tenant in _open_rows(reservation)]
    if charge is not None and not charge.nothing:
        writes.append(usage_write(table, reservation.tenant, reservation.month, charge))
    return writes


def usage_write(table: str, tenant: str, month: str, charge: Charge) -> Write:
    """Return the write that adds the charge to the month's usage of its model."""
    key = {"pk": f"USAGE#{tenant}", "sk": f"{month}#{charge.model}"}
    numbers = {"images": charge.images, "billed_ms": charge.billed_ms, "usd_e8": _e8(charge.usd)}
    return {"Update": _add(table, key, tenant, numbers, shard=usage_shard(month))}


def bill_write(table: str, reservation: Reservation, charge: Charge) -> Write:
    """Return the write of the bill of work that is no job. Its attributes are those of a job's bill, and two more."""
    name = bill_key(reservation.tenant, reservation.id)
    item = name | {"tenant": reservation.tenant} | charge.bill(reservation.month)
    return {"Put": {"TableName": table, "Item": serialized(item), "ConditionExpression": "attribute_not_exists(pk)"}}


def bill_key(tenant: str, work_id: str) -> dict[str, str]:
    """Return the key of the bill of a job or request."""
    return {"pk": f"BILL#{tenant}#{work_id}", "sk": "BILL"}


def quota_key(tenant: str, month: str) -> dict[str, str]:
    """Return the key of the month's quota."""
    return {"pk": f"QUOTA#{tenant}#{month}", "sk": "QUOTA"}


def open_key(tenant: str) -> dict[str, str]:
    """Return the key of the tenant's number of unfinished jobs. It spans months, as jobs do."""
    return {"pk": f"OPEN#{tenant}", "sk": "OPEN"}


ALL_OPEN_KEY: Final = {"pk": "OPEN", "sk": "OPEN"}
"""Key of the number of unfinished jobs of all tenants. Only jobs that it limits are counted there."""


def amount_of(item: Mapping[str, Any] | None) -> Amount:
    """Return the images and dollars of a row in DynamoDB's JSON; nothing without a row."""
    found = item or {}
    return Amount(int(found.get("images", {"N": "0"})["N"]), _usd(found.get("usd_e8", {"N": "0"})["N"]))


def reservation_of(item: Item) -> Reservation:
    """Return the reservation of a row's plain values."""
    return Reservation(
        tenant=item["tenant"],
        id=str(item["pk"]).rpartition("#")[2],
        month=item["quota_month"],
        amount=Amount(int(item["images"]), _usd(item["usd_e8"])),
        lost_at=int(item["due_at"]),
        is_job=item["is_job"],
        in_all=item["in_all"],
    )


def usage_of(item: Item) -> Usage:
    """Return the usage of a row's plain values."""
    month, _, model = str(item["sk"]).partition("#")
    return Usage(month, model, int(item["images"]), int(item["billed_ms"]), _usd(item["usd_e8"]))


def _hold(table: str, reservation: Reservation, quota: Quota) -> dict[str, Any]:
    amount = {"images": reservation.amount.images, "usd_e8": _e8(reservation.amount.usd)}
    limits = {"images": quota.images, "usd_e8": None if quota.usd is None else _e8(quota.usd, ROUND_FLOOR)}
    add = _add(table, quota_key(reservation.tenant, reservation.month), reservation.tenant, amount)
    # DynamoDB's conditions cannot add, so they compare with what may be there before.
    room = {name: limit - amount[name] for name, limit in limits.items() if limit is not None}
    if not room:
        return add
    values = serialized({f":{name}_room": most for name, most in room.items()})
    return add | {
        "ConditionExpression": " AND ".join(
            f"(attribute_not_exists({name}) OR {name} <= :{name}_room)" for name in room
        ),
        "ExpressionAttributeValues": add["ExpressionAttributeValues"] | values,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _open_writes(table: str, reservation: Reservation, quota: Quota) -> list[Write]:
    """Return the writes that count an unfinished job."""
    limits = (quota.open_jobs, quota.all_open_jobs)
    rows = zip(_open_rows(reservation), limits, strict=False)
    return [{"Update": _open(table, key, tenant, limit)} for (key, tenant), limit in rows]


def _open_rows(reservation: Reservation) -> list[tuple[dict[str, str], str | None]]:
    """Return the keys of the rows that count a job while it is unfinished, and the tenant of each, if it has one."""
    own: tuple[dict[str, str], str | None] = (open_key(reservation.tenant), reservation.tenant)
    return [own, (ALL_OPEN_KEY, None)] if reservation.in_all else [own]


def _open(table: str, key: Mapping[str, str], tenant: str | None, limit: int | None) -> dict[str, Any]:
    add = _add(table, key, tenant, {"jobs": 1})
    if limit is None:
        return add
    if limit == 0:
        return add | {"ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)"}  # never
    return add | {
        "ConditionExpression": "attribute_not_exists(jobs) OR jobs < :limit",
        "ExpressionAttributeValues": add["ExpressionAttributeValues"] | serialized({":limit": limit}),
    }


def _put_reservation(table: str, reservation: Reservation) -> dict[str, Any]:
    item = _reservation_key(reservation) | {
        "tenant": reservation.tenant,
        "quota_month": reservation.month,
        "images": reservation.amount.images,
        "usd_e8": _e8(reservation.amount.usd),
        "is_job": reservation.is_job,
        "in_all": reservation.in_all,
        "due_shard": due_shard("reserved", reservation.id),
        "due_at": reservation.lost_at,
    }
    return {"TableName": table, "Item": serialized(item), "ConditionExpression": "attribute_not_exists(pk)"}


def _become_job(table: str, reservation: Reservation) -> dict[str, Any]:
    changed = {
        ":images": reservation.amount.images,
        ":usd_e8": _e8(reservation.amount.usd),
        ":due_at": reservation.lost_at,
        ":job": True,
        ":in_all": reservation.in_all,
        ":request": False,
    }
    return {
        "TableName": table,
        "Key": serialized(_reservation_key(reservation)),
        "UpdateExpression": "SET images = :images, usd_e8 = :usd_e8, due_at = :due_at, is_job = :job, in_all = :in_all",
        "ConditionExpression": "is_job = :request",
        "ExpressionAttributeValues": serialized(changed),
    }


def _delete_reservation(table: str, reservation: Reservation) -> dict[str, Any]:
    """Return the deletion. Its condition also fails if a request's reservation has become that of its job."""
    return {
        "TableName": table,
        "Key": serialized(_reservation_key(reservation)),
        "ConditionExpression": "is_job = :is_job",
        "ExpressionAttributeValues": serialized({":is_job": reservation.is_job}),
    }


def _reservation_key(reservation: Reservation) -> dict[str, str]:
    return {"pk": f"RESERVATION#{reservation.tenant}#{reservation.id}", "sk": "RESERVATION"}


def _add(
    table: str, key: Mapping[str, str], tenant: str | None, numbers: Mapping[str, int], shard: str | None = None
) -> dict[str, Any]:
    """Return an update that adds to each attribute; one that is missing counts as 0. None: a row of all tenants.

    The row is in the `shard` of index by_turn, if there is one.
    """
    fixed = {name: value for name, value in (("tenant", tenant), ("turn_shard", shard)) if value is not None}
    adds = "ADD " + ", ".join(f"{name} :{name}" for name in numbers)
    sets = "SET " + ", ".join(f"{name} = :{name}" for name in fixed)
    return {
        "TableName": table,
        "Key": serialized(key),
        "UpdateExpression": f"{sets} {adds}" if fixed else adds,
        "ExpressionAttributeValues": serialized({f":{name}": value for name, value in {**fixed, **numbers}.items()}),
    }


def _e8(usd: Decimal, rounding: str = ROUND_CEILING) -> int:
    return int(usd.quantize(USD_STEP, rounding).scaleb(8))


def _usd(e8: Any) -> Decimal:
    return Decimal(e8).scaleb(-8)
