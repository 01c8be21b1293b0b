"""When an issuer's keys are fetched, and how long they are used. Fetches are counted, time is set."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from imagegen.access.key_sets import FRESH_S, PAUSE_S, USABLE_S, IssuerKeys
from imagegen.access.ports import KeySet, KeySetUnavailable
from imagegen.errors import AuthUnavailable, InvalidCredentials, StorageUnavailable
from tests.support.issuer import MemoryKeySets, clock
from tools.faults.job_backend import MovableClock


@dataclass
class Source:
    """A KeySetSource with a list of key ids; it fails while `down`."""

    ids: list[str] = field(default_factory=lambda: ["a"])
    down: bool = False
    fetches: int = 0

    def fetch(self, issuer: str) -> KeySet:
        self.fetches += 1
        if self.down:
            raise KeySetUnavailable("status 500")
        return {"keys": [{"kid": each} for each in self.ids]}


@dataclass
class World:
    source: Source = field(default_factory=Source)
    shared: MemoryKeySets = field(default_factory=MemoryKeySets)
    clock: MovableClock = field(default_factory=clock)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start a process of the same deployment."""
        self.keys = IssuerKeys(self.source, self.shared, "https://issuer.example.com", self.clock)

    def ask(self, key_id: str) -> Any:
        """Return "found", "refused" or the seconds of Retry-After."""
        try:
            self.keys.containing(key_id)
        except InvalidCredentials:
            return "refused"
        except AuthUnavailable as error:
            assert error.private == "status 500"
            return int(error.headers["Retry-After"])
        return "found"


@pytest.fixture
def world() -> World:
    return World()


def test_keys_are_fetched_once_and_again_when_they_are_no_longer_fresh(world: World) -> None:
    assert {world.ask("a") for _ in range(100)} == {"found"}
    world.clock.pass_s(FRESH_S - 1)
    assert (world.ask("a"), world.source.fetches) == ("found", 1)
    world.clock.pass_s(1)
    assert (world.ask("a"), world.source.fetches) == ("found", 2)


def test_a_key_that_the_issuer_withdrew_is_refused_once_the_keys_are_no_longer_fresh(world: World) -> None:
    world.ask("a")
    world.source.ids = ["b"]
    assert world.ask("a") == "found"
    world.clock.pass_s(FRESH_S)
    assert (world.ask("a"), world.ask("b")) == ("refused", "found")


def test_a_rotated_key_is_found_at_once(world: World) -> None:
    world.ask("a")
    world.source.ids = ["a", "b"]
    assert (world.ask("b"), world.source.fetches) == ("found", 2)
    world.source.ids = ["b", "c"]
    assert (world.ask("c"), world.source.fetches) == ("refused", 2), "the second in 30 s"
    world.clock.pass_s(PAUSE_S)
    assert (world.ask("c"), world.source.fetches) == ("found", 3)


@pytest.mark.parametrize("warm", [True, False])
def test_a_thousand_unknown_key_ids_cause_one_fetch_in_30_s(world: World, warm: bool) -> None:
    if warm:
        world.ask("a")
    before = world.source.fetches
    for second in range(PAUSE_S):
        assert {world.ask(f"made-up-{second}-{number}") for number in range(34)} == {"refused"}
        assert world.ask("a") == "found"
        world.clock.pass_s(0.999)
    assert world.source.fetches == before + 1
    world.clock.pass_s(1)
    world.ask("made-up")
    assert world.source.fetches == before + 2


def test_cached_keys_are_used_for_an_hour_while_the_issuer_is_down(world: World) -> None:
    world.ask("a")
    world.source.down = True
    for _ in range(USABLE_S // 10):
        assert world.ask("a") == "found"
        world.clock.pass_s(10)
    assert world.ask("a") in range(1, PAUSE_S + 1)
    assert world.source.fetches <= 1 + (USABLE_S - FRESH_S) // PAUSE_S + 1
    world.source.down = False
    world.clock.pass_s(PAUSE_S)
    assert world.ask("a") == "found"


def test_the_last_millisecond_of_the_hour(world: World) -> None:
    world.ask("a")
    world.source.down = True
    world.clock.pass_s(USABLE_S - 0.001)
    assert world.ask("a") == "found"
    world.clock.pass_s(0.001)
    assert world.ask("a") == PAUSE_S


def test_an_outage_is_survived_for_55_minutes_whenever_it_begins(world: World) -> None:
    """The verifier's own cache, with one age of an hour, would survive a minute of one that begins after 59."""
    for _ in range(59 * 60 // 10):
        assert world.ask("a") == "found"
        world.clock.pass_s(10)
    world.source.down = True
    world.clock.pass_s(USABLE_S - FRESH_S)
    assert world.ask("a") == "found"


def test_retry_after_is_true_and_exact(world: World) -> None:
    world.source.down = True
    assert world.ask("a") == PAUSE_S
    world.clock.pass_s(12.5)
    assert (world.ask("a"), world.source.fetches) == (18, 1)
    world.source.down = False
    world.clock.pass_s(17.499)
    assert (world.ask("a"), world.source.fetches) == (1, 1)
    world.clock.pass_s(0.001)
    assert (world.ask("a"), world.source.fetches) == ("found", 2)


def test_an_unknown_key_id_is_not_called_invalid_while_the_issuer_cannot_say_so(world: World) -> None:
    world.ask("a")
    world.source.down = True
    assert (world.ask("b"), world.ask("a")) == (PAUSE_S, "found")
    world.source.down = False
    world.clock.pass_s(PAUSE_S)
    assert world.ask("b") == "refused"


def test_a_process_that_starts_while_the_issuer_is_down_uses_what_another_fetched(world: World) -> None:
    world.ask("a")
    world.source.down = True
    world.clock.pass_s(USABLE_S - PAUSE_S)
    world.restart()
    assert (world.ask("a"), world.ask("b")) == ("found", PAUSE_S)
    world.clock.pass_s(PAUSE_S)
    assert world.ask("a") == PAUSE_S, "the hour counts from the fetch, not from the start"
    world.restart()
    assert world.ask("a") == PAUSE_S
    world.source.down = False
    world.clock.pass_s(PAUSE_S)
    assert world.ask("a") == "found"


def test_a_process_prefers_its_own_newer_keys(world: World) -> None:
    world.ask("a")
    old = world.shared.stored.copy()
    world.source.ids = ["b"]
    world.clock.pass_s(FRESH_S)
    world.ask("b")
    world.shared.stored, world.source.down = old, True
    world.clock.pass_s(FRESH_S)
    assert (world.ask("b"), world.ask("a")) == ("found", PAUSE_S)


def test_sharing_is_not_needed(world: World) -> None:
    world.shared.failing = StorageUnavailable("gone")
    assert world.ask("a") == "found"
    world.source.down = True
    world.clock.pass_s(FRESH_S)
    assert world.ask("a") == "found"
    world.restart()
    assert world.ask("a") == PAUSE_S


def test_a_clock_that_is_set_back_does_not_extend_the_pause(world: World) -> None:
    world.ask("a")
    assert (world.ask("unknown"), world.source.fetches) == ("refused", 2)
    world.source.ids = ["b"]
    world.clock.pass_s(-3600)
    assert (world.ask("b"), world.source.fetches) == ("found", 3)


def test_a_clock_that_is_set_back_does_not_keep_old_keys(world: World) -> None:
    world.ask("a")
    world.source.ids = ["b"]
    world.clock.pass_s(-FRESH_S)
    assert (world.ask("a"), world.source.fetches) == ("refused", 2)


def test_threads_share_one_fetch(world: World) -> None:
    barrier, found = threading.Barrier(16), list[Any]()

    def ask() -> None:
        barrier.wait()
        found.append(world.ask("a"))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (found, world.source.fetches) == (["found"] * 16, 1)
