"""Lists that an owner replaces: when they are read, and what happens while they cannot be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from imagegen.errors import ModerationUnavailable
from imagegen.moderation.current_lists import FRESH_S, PAUSE_S, USABLE_S, CurrentLists
from imagegen.moderation.ports import ListsUnreadable
from tests.support.fake_audit import RecordingAudit


def document(version: str) -> str:
    return json.dumps({"version": version, "categories": {"brands": ["acme"]}})


@dataclass
class World:
    """A source, whose document and clock tests change. None: it cannot be read."""

    document: str | None = field(default_factory=lambda: document("1"))
    now_s: float = 1_000_000
    reads: int = 0
    audit: RecordingAudit = field(default_factory=RecordingAudit)

    def __post_init__(self) -> None:
        self.lists = CurrentLists(self, self.audit, lambda: int(self.now_s * 1000))

    def read(self) -> str:
        self.reads += 1
        if self.document is None:
            raise ListsUnreadable("S3: ClientError NoSuchKey")
        return self.document

    def version(self) -> str:
        return self.lists.rules().version


def test_a_change_takes_effect_after_five_minutes() -> None:
    world = World()
    assert world.version() == "1"
    world.document = document("2")
    world.now_s += FRESH_S - 1
    assert (world.version(), world.reads) == ("1", 1)
    world.now_s += 1
    assert (world.version(), world.reads) == ("2", 2)
    assert world.audit.unavailable == []


@pytest.mark.parametrize("bad", [None, "{", '{"version": "1", "categories": {}}'])
def test_without_lists_nothing_is_judged_and_the_next_attempt_waits(bad: str | None) -> None:
    world = World(bad)
    for _ in range(3):
        with pytest.raises(ModerationUnavailable) as caught:
            world.version()
    assert caught.value.headers == {"Retry-After": "30"}
    assert caught.value.private.startswith("word lists: ")
    assert (world.reads, len(world.audit.unavailable)) == (1, 1)
    world.document = document("2")
    world.now_s += PAUSE_S
    assert world.version() == "2"


@pytest.mark.parametrize("bad", [None, "{"])
def test_earlier_lists_apply_for_an_hour(bad: str | None) -> None:
    world = World()
    world.version()
    world.document = bad
    world.now_s += FRESH_S
    assert world.version() == "1"
    assert [stage for stage, _ in world.audit.unavailable] == ["prompt"]
    world.now_s += USABLE_S - FRESH_S - 1
    assert world.version() == "1"
    world.now_s += 1
    with pytest.raises(ModerationUnavailable):
        world.version()
    world.document = document("2")
    world.now_s += PAUSE_S
    assert world.version() == "2"


def test_a_clock_that_is_set_back_does_not_keep_the_lists() -> None:
    world = World()
    world.version()
    world.document = document("2")
    world.now_s -= 86_400
    assert world.version() == "2"
