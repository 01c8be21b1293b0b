"""Ten bugs, put into the product on purpose, that prove that the checkers find them.

The handlers are the product's own. A botocore event handler changes their requests to AWS before they are sent, as if
the product had built them so. It relies on two things: the product makes its clients with boto3's default session,
and keys and attributes are those of docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

import boto3

from imagegen.generation.snapshot import pack, unpack
from tools.faults.environment import Handler, Hooks
from tools.faults.product import Build, Product

Params = dict[str, Any]
Breakage = Literal[
    "job_not_written",
    "key_not_written",
    "bill_not_written",
    "lease_never_ends",
    "checkpoint_not_saved",
    "checkpoint_not_read",
    "checkpoint_not_deleted",
    "checkpoint_altered",
    "turn_left_out",
    "group_left_out",
]

_OMITTED: Final[dict[Breakage, str]] = {
    "job_not_written": "JOB#",
    "key_not_written": "IDEMPOTENCY#",
    "bill_not_written": "BILL#",
}
"""Prefix of `pk` of the item that is left out of each transaction: an accepted job, the Idempotency-Key that makes a
repeated request find its first job, or the bill of a job that ends. Another item always remains: calls have a key."""
_CHECKPOINTS: Final = "checkpoints/"
_MISDIRECTED: Final[dict[Breakage, str]] = {
    "checkpoint_not_saved": "PutObject",
    "checkpoint_not_read": "GetObject",
    "checkpoint_not_deleted": "DeleteObject",
}
"""The S3 operation that has another key than the checkpoint's."""
_NEVER: Final = {"N": "9999999999999"}
"""Epoch milliseconds in the year 2286."""
_NO_SHARD: Final = {"S": "none"}


def broken(product: Product, breakage: Breakage) -> Product:
    """Return the product with the bug in each of its functions.

    With `lease_never_ends` a running job is neither due for the sweeper nor free for another worker.
    """
    api, worker, sweeper, generator = (
        partial(_build, breakage, build) for build in (product.api, product.worker, product.sweeper, product.generator)
    )
    name = f"{product.name}, {breakage}"
    return replace(product, name=name, api=api, worker=worker, sweeper=sweeper, generator=generator)


def _build(breakage: Breakage, build: Build, hooks: Hooks) -> Handler:
    """Build a handler in the process that will run it. Clients copy their session's event handlers when created."""
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    events: Any = boto3.DEFAULT_SESSION.events
    if breakage == "lease_never_ends":
        events.register("provide-client-params.dynamodb.UpdateItem", _extend_lease)
    elif breakage == "checkpoint_altered":
        events.register("provide-client-params.s3.PutObject", _alter)
    elif breakage == "turn_left_out":
        events.register("provide-client-params.dynamodb.UpdateItem", _leave_out_turn)
    elif breakage == "group_left_out":
        events.register("provide-client-params.sqs.SendMessage", _leave_out_group)
    elif breakage in _MISDIRECTED:
        events.register(f"provide-client-params.s3.{_MISDIRECTED[breakage]}", _misdirect)
    else:
        events.register("provide-client-params.dynamodb.TransactWriteItems", _omit(_OMITTED[breakage]))
    return build(hooks)


def _omit(prefix: str) -> Callable[..., Params]:
    def omit(params: Params, **_: Any) -> Params:
        items = [
            each
            for each in params["TransactItems"]
            if "Put" not in each or not each["Put"]["Item"]["pk"]["S"].startswith(prefix)
        ]
        return params | {"TransactItems": items}

    return omit


def _extend_lease(params: Params, **_: Any) -> Params:
    """`due_at` of a running job is the end of its lease."""
    values = params.get("ExpressionAttributeValues", {})
    if ":lease_until" not in values:
        return params
    endless = {name: _NEVER for name in (":lease_until", ":due_at") if name in values}
    return params | {"ExpressionAttributeValues": values | endless}


def _leave_out_turn(params: Params, **_: Any) -> Params:
    """Put the job that waits on no list, so that only its own message starts it."""
    values = params.get("ExpressionAttributeValues", {})
    return (
        params | {"ExpressionAttributeValues": values | {":turn_shard": _NO_SHARD}}
        if ":turn_shard" in values
        else params
    )


def _leave_out_group(params: Params, **_: Any) -> Params:
    return {name: value for name, value in params.items() if name != "MessageGroupId"}


def _misdirect(params: Params, **_: Any) -> Params:
    is_checkpoint = params["Key"].startswith(_CHECKPOINTS)
    return params | {"Key": f"misdirected/{params['Key']}"} if is_checkpoint else params


def _alter(params: Params, **_: Any) -> Params:
    """Save latents that are not those of the run."""
    if not params["Key"].startswith(_CHECKPOINTS):
        return params
    arrays = unpack(params["Body"])
    return params | {"Body": pack({name: each + 1 if name == "sample" else each for name, each in arrays.items()})}
