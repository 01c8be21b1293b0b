from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from imagegen.errors import StorageUnavailable
from imagegen.generation.checkpoint import Checkpoint, Saved
from imagegen.generation.result import Timings
from imagegen.generation.snapshot import RandomState, Snapshot, pack, unpack
from tests.support.fakes import MemoryCheckpoints

KEY = "checkpoints/alice/1.npz"


class World:
    """A store, and a clock that the test moves."""

    def __init__(self) -> None:
        self.store = MemoryCheckpoints()
        self.now = 100.0

    def run(
        self,
        *,
        may_exist: bool = True,
        spec: str = "spec",
        cache: str = "float32",
        load_s: float = 0,
        save_every_s: float = 30,
    ) -> Checkpoint:
        checkpoint = Checkpoint(
            self.store,
            KEY,
            may_exist=may_exist,
            until_deadline=True,
            save_every_s=save_every_s,
            clock=lambda: self.now,
        )
        self.now += load_s
        checkpoint.begin(spec, cache, load_s)
        return checkpoint


def at(steps: int) -> Callable[[], Snapshot]:
    return lambda: Snapshot(steps=steps)


def middle() -> Snapshot:
    """Return a snapshot with everything in it."""
    random = np.random.RandomState(7)
    random.standard_normal(3)
    arrays = [random.standard_normal((1, 4, 2, 3)).astype(np.float32) for _ in range(5)]
    return Snapshot(
        13,
        (arrays[0], arrays[1]),
        3,
        arrays[2],
        (arrays[3], arrays[4]),
        cast(RandomState, random.get_state(legacy=True)),
    )


def assert_equal(one: Snapshot, other: Snapshot) -> None:
    ours, theirs = one.encode(), other.encode()
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype
        np.testing.assert_array_equal(array, theirs[name])


@pytest.mark.parametrize("snapshot", [Snapshot(), Snapshot(10, (np.ones((1, 4, 2, 2), np.float32),)), middle()])
def test_a_snapshot_survives_its_encoding(snapshot: Snapshot) -> None:
    saved = Saved("spec", ("one", "two"), Timings(load_ms=1, denoise_ms=2, total_ms=3), snapshot)
    read = Saved.decode(saved.encode())
    assert read is not None
    assert (read.spec_key, read.cache_keys, read.spent) == (saved.spec_key, saved.cache_keys, saved.spent)
    assert_equal(read.snapshot, snapshot)


def test_the_random_numbers_go_on_where_they_were() -> None:
    random = np.random.RandomState(7)
    random.standard_normal(3)  # an odd count: the polar method keeps the second of a pair
    state = cast(RandomState, random.get_state(legacy=True))
    read = Snapshot.decode(unpack(pack(Snapshot(1, (), 1, np.ones(1, np.float32), (), state).encode())))
    other = np.random.RandomState(0)
    assert read.random is not None
    other.set_state(read.random)
    assert other.standard_normal(5).tolist() == random.standard_normal(5).tolist()


WHOLE = Saved("spec", (), Timings(), middle()).encode()


@pytest.mark.parametrize(
    "body",
    [
        *(WHOLE[:length] for length in (0, 1, 4, 30, 100, len(WHOLE) // 2, len(WHOLE) - 1)),
        b"not a zip file",
        WHOLE[:200] + bytes(200) + WHOLE[400:],
        pack({"progress": np.array([1, 1])}),
        pack({"header": np.frombuffer(b"{}", np.uint8)}),
        pack({"header": np.frombuffer(b'{"format": 2}', np.uint8)}),
        pack({"header": np.frombuffer(b"null", np.uint8)}),
        pack({"header": np.frombuffer(b'{"format": 1, "spec_key": "", "cache_keys": null, "spent": {}}', np.uint8)}),
    ],
)
def test_what_cannot_be_read_starts_over(body: bytes) -> None:
    world = World()
    world.store.bodies[KEY] = body
    checkpoint = world.run()
    assert (checkpoint.snapshot.steps, checkpoint.spent, checkpoint.reproducible) == (0, Timings(), True)


def test_a_first_run_reads_and_deletes_nothing() -> None:
    world = World()
    world.store.failing = StorageUnavailable("S3 is unavailable.")
    checkpoint = world.run(may_exist=False)
    world.store.failing = None
    world.store.bodies[KEY] = b"of another process"
    checkpoint.discard()
    assert (checkpoint.snapshot.steps, list(world.store.bodies)) == (0, [KEY])


@pytest.mark.parametrize(("save_every_s", "writes", "saved_step"), [(30, 4, 28), (10, 15, 30), (3, 30, 30)])
def test_a_save_comes_before_the_work_since_the_last_one_exceeds_the_bound(
    save_every_s: float, writes: int, saved_step: int
) -> None:
    world = World()
    checkpoint = world.run(may_exist=False, load_s=25, save_every_s=save_every_s)
    for step in range(1, 31):
        world.now += 4
        checkpoint.reached(at(step))
        checkpoint.save_if_due()
    assert world.store.writes == writes  # every seventh step, after 28 seconds; every second; every one
    assert world.run().snapshot.steps == saved_step


def test_time_between_a_step_and_its_save_counts_as_work_that_a_kill_costs() -> None:
    world = World()
    checkpoint = world.run(may_exist=False)
    reached, saved = [world.now], 0
    for step in range(1, 31):
        world.now += 4
        checkpoint.reached(at(step))
        reached.append(world.now)
        cost_s = world.now - reached[saved]
        assert cost_s <= 30, f"a kill after step {step} repeats {cost_s} s"
        world.now += 20 if step == 7 else 1  # writing the progress takes time, too
        checkpoint.save_if_due()
        saved = world.run().snapshot.steps
    assert (saved, world.store.writes) == (28, 6)


def test_the_last_save_is_of_the_latest_step_and_only_made_if_there_is_a_new_one() -> None:
    world = World()
    checkpoint = world.run()
    checkpoint.save()
    assert (world.store.writes, checkpoint.advanced) == (0, False)
    checkpoint.reached(at(1))
    checkpoint.reached(at(2))
    checkpoint.save()
    checkpoint.save()
    assert (world.store.writes, checkpoint.advanced, world.run().snapshot.steps) == (1, True, 2)


def test_the_next_run_adds_to_what_was_spent() -> None:
    world = World()
    first = world.run(load_s=5)
    world.now += 10
    first.reached(at(1))
    first.save()
    second = world.run(load_s=2)
    assert second.spent == Timings(load_ms=5000, denoise_ms=10_000, total_ms=15_000)
    world.now += 3
    second.reached(at(2))
    second.save()
    assert world.run().spent == Timings(load_ms=7000, denoise_ms=13_000, total_ms=20_000)


def test_another_specification_starts_over_and_another_precision_goes_on() -> None:
    world = World()
    first = world.run()
    first.reached(at(1))
    first.save()
    assert world.run(spec="another revision").snapshot.steps == 0
    other = world.run(cache="bfloat16")
    assert (other.snapshot.steps, other.reproducible) == (1, False)
    other.reached(at(2))
    other.save()
    assert not world.run(cache="bfloat16").reproducible


def test_a_failing_store_costs_only_the_progress() -> None:
    world = World()
    checkpoint = world.run()
    world.store.failing = StorageUnavailable("S3 is unavailable.")
    checkpoint.reached(at(1))
    checkpoint.save()
    checkpoint.discard()
    assert not checkpoint.advanced
    world.store.failing = None
    checkpoint.save()
    assert (checkpoint.advanced, world.run().snapshot.steps) == (True, 1)


def test_a_save_whose_response_is_lost_is_deleted() -> None:
    world = World()
    checkpoint = world.run(may_exist=False)
    world.store.failing = StorageUnavailable("S3 is unavailable.")
    checkpoint.reached(at(1))
    checkpoint.save()
    world.store.failing = None
    world.store.bodies[KEY] = b"what was written all the same"
    checkpoint.discard()
    assert not world.store.bodies


def test_a_checkpoint_that_cannot_be_read_at_the_moment_is_not_overwritten() -> None:
    world = World()
    first = world.run()
    first.reached(at(40))
    first.save()
    world.store.failing = StorageUnavailable("S3 is unavailable.")
    with pytest.raises(StorageUnavailable):
        world.run()
    world.store.failing = None
    assert world.run().snapshot.steps == 40


def test_a_failed_save_is_tried_again_soon() -> None:
    world = World()
    checkpoint = world.run(save_every_s=30)
    world.store.failing = StorageUnavailable("S3 is unavailable.")
    for step in range(1, 30):
        world.now += 1
        checkpoint.reached(at(step))
        checkpoint.save_if_due()
    world.store.failing = None
    for step in range(30, 37):
        world.now += 1
        checkpoint.reached(at(step))
        checkpoint.save_if_due()
    assert world.store.writes == 1


@pytest.mark.parametrize("damaged", range(0, len(WHOLE), 97))
def test_flipped_bits_never_raise(damaged: int) -> None:
    body = bytearray(WHOLE)
    body[damaged] ^= 0xFF
    read = Saved.decode(bytes(body))
    assert read is None or read.spec_key


def test_the_time_of_a_slow_save_counts_as_work_since_its_snapshot() -> None:
    world = World()
    checkpoint = world.run(save_every_s=30)
    began, taken, write = world.now, [], world.store.write

    def slow_write(key: str, body: bytes) -> None:
        taken.append(world.now - began)
        write(key, body)
        world.now += 10

    world.store.write = slow_write  # type: ignore[method-assign]
    for step in range(1, 25):
        world.now += 4
        checkpoint.reached(at(step))
        checkpoint.save_if_due()
    assert taken == [28, 58, 88, 118]
