"""A rollback to a version without shards: afterwards its sweeper finds every row."""

from __future__ import annotations

import sys

import boto3
import pytest

from imagegen.jobs import states
from imagegen.limits.quota import Quota, Reservation
from tests.support.fakes import PLENTY
from tests.support.job_faults import UnavailableQueue
from tests.support.job_world import JobWorld
from tools.deploy import stack, unshard


def keys_of(world: JobWorld) -> dict[str, str]:
    """Return the key in index by_due of each row that has one, by the row's kind and id."""
    return {item["pk"]: item["due_shard"] for item in world.items("") if "due_shard" in item}


def test_every_row_moves_to_the_key_that_the_earlier_version_reads(world: JobWorld) -> None:
    outbox = world.container.outbox
    real, outbox._queue = outbox._queue, UnavailableQueue()
    unsent = world.submit()
    outbox._queue = real
    sent, running, done = world.submit(), world.submit(), world.run(world.submit())
    world.store.change(running, lambda seen: states.claimed(seen, "dead", world.clock(), world.timing))
    reservation = Reservation.made("alice", "r-1", sent.reserved.amount, now_ms=world.clock(), lasts_s=28, is_job=False)  # type: ignore[union-attr]
    world.container.quotas.reserve(reservation, Quota())
    client = boto3.client("dynamodb")
    assert unshard.unshard(client, world.resources["Table"]) == len(keys_of(world)) == 8
    jobs = {f"JOB#alice#{job.job_id}": "open" for job in (unsent, sent, running)}
    jobs |= {f"JOB#alice#{done.job_id}": "done"}
    assert {pk: key for pk, key in keys_of(world).items() if pk.startswith("JOB#")} == jobs
    assert {key for pk, key in keys_of(world).items() if pk.startswith("RESERVATION#")} == {"reserved"}
    assert unshard.unshard(client, world.resources["Table"]) == 0
    world.clock.pass_s(20)
    assert world.sweep.all(PLENTY).jobs == 3, "this version finds them there, too"


def test_the_command_says_how_many_rows_it_moved(
    world: JobWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.submit()
    monkeypatch.setattr(stack, "resources", lambda *_: world.resources)
    monkeypatch.setattr(sys, "argv", ["unshard", "imagegen-dev"])
    unshard.main()
    assert capsys.readouterr().out == "imagegen-dev: 2 rows moved.\n"


def test_the_command_fails_if_the_stack_has_no_table(world: JobWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "resources", lambda *_: {})
    monkeypatch.setattr(sys, "argv", ["unshard", "imagegen-dev"])
    with pytest.raises(SystemExit, match="the stack has no 'Table'"):
        unshard.main()
