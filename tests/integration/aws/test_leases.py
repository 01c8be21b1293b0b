"""Leases in the table of the template."""

from __future__ import annotations

import pytest

from imagegen.aws.leases import DynamoLeases
from tests.support.job_world import JobWorld


@pytest.fixture
def leases(world: JobWorld) -> DynamoLeases:
    return DynamoLeases(world.resources["Table"], world.clock)


def test_a_lease_is_extended_only_by_its_owner_while_it_is_held(world: JobWorld, leases: DynamoLeases) -> None:
    assert leases.take("alice", "work", "me", 20)
    assert not leases.take("alice", "work", "another", 20)
    world.clock.pass_s(15)
    assert leases.extend("alice", "work", "me", 20)
    assert not leases.extend("alice", "work", "another", 20)
    world.clock.pass_s(15)
    assert not leases.take("alice", "work", "another", 20), "it was extended"
    leases.release("alice", "work", "me")
    assert not leases.extend("alice", "work", "me", 20)
    assert world.items("LEASE#") == []
    assert leases.take("alice", "work", "another", 20)


def test_a_lease_that_another_took_after_it_expired_is_not_extended(world: JobWorld, leases: DynamoLeases) -> None:
    assert leases.take("alice", "work", "me", 20)
    world.clock.pass_s(21)
    assert leases.take("alice", "work", "another", 20)
    assert not leases.extend("alice", "work", "me", 20)
    leases.release("alice", "work", "me")
    assert [item["owner"] for item in world.items("LEASE#")] == ["another"]
