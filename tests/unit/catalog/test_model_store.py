"""Versions on the disk: real files, a bucket that is a dictionary."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imagegen.catalog import download, manifest
from imagegen.catalog.model_store import ModelStore
from imagegen.catalog.published import PublishedVersions
from imagegen.catalog.rollout import Release
from imagegen.errors import ModelUnavailable, StorageUnavailable
from tests.support.published import ENGINE, MemoryObjects, folder_of, publish

SIZE = 10_000
LIMIT_S = 300
"""Ends a test that hangs."""


class World:
    """A bucket, and the disk of an environment with room for two versions."""

    def __init__(self, root: Path):
        self.objects = MemoryObjects()
        self.sources, self.root = root / "sources", root / "disk"
        self.releases = [self.publish(name) for name in "abcd"]
        self.largest_bytes = 2 * PublishedVersions(self.objects, ENGINE, 10**9).files(self.releases[0]).bytes + 100
        self.store = self.another()

    def another(self, objects: MemoryObjects | None = None) -> ModelStore:
        """Return the store of another process."""
        return ModelStore(self.root, PublishedVersions(objects or self.objects, ENGINE, self.largest_bytes))

    def publish(self, name: str, size: int = SIZE) -> Release:
        return publish(self.objects, folder_of(self.sources / name, name, size))

    def on_disk(self) -> list[Release]:
        return [each for each in self.releases if self.store.missing_bytes(each) == 0]

    def left_over(self) -> list[str]:
        versions = self.root / "versions"
        return (
            [path.name for path in versions.iterdir() if path.name.startswith("partial-")] if versions.exists() else []
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_version_is_downloaded_once_and_has_its_bytes(world: World) -> None:
    a = world.releases[0]
    folder = world.store.folder(a)
    manifest.verify(folder)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["manifest.json", "model_index.json", "unet/openvino_model.bin"]
    assert all((folder / name).read_bytes() == (world.sources / "a" / name).read_bytes() for name in files)
    ranges = len(world.objects.ranges)
    assert world.store.folder(a) == world.another().folder(a) == folder
    assert len(world.objects.ranges) == ranges
    assert world.left_over() == []


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1000])
def test_ranges_cover_a_file_whatever_its_size(world: World, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(download, "RANGE_BYTES", 8)
    release = world.publish("ranged", size)
    folder = world.store.folder(release)
    assert (folder / "unet/openvino_model.bin").read_bytes() == (b"ranged" * size)[:size]
    asked = [part for part in world.objects.ranges if part[0].endswith(".bin")]
    assert [length for _, _, length in sorted(asked, key=lambda part: part[1])] == [
        min(8, size - start) for start in range(0, size, 8)
    ]


def test_the_least_recently_used_version_makes_room(world: World) -> None:
    a, b, c, d = world.releases
    for each in (a, b, a, c):
        world.store.folder(each)
    assert world.on_disk() == [a, c]
    world.store.folder(d)
    assert world.on_disk() == [c, d]


def test_a_version_that_never_fits_deletes_nothing_and_downloads_nothing(world: World) -> None:
    a, b, *_ = world.releases
    world.store.folder(a)
    world.store.folder(b)
    large = world.publish("large", 3 * SIZE)
    asked = len(world.objects.ranges)
    with pytest.raises(ModelUnavailable) as caught:
        world.store.folder(large)
    assert "EphemeralStorage" in caught.value.private
    assert (world.on_disk(), len(world.objects.ranges)) == ([a, b], asked)


def test_a_version_that_another_process_uses_is_not_deleted(world: World) -> None:
    a, b, c, d = world.releases
    other = world.another()
    folder = other.folder(a)
    for each in (b, c, d):
        world.store.folder(each)
    assert a in world.on_disk()
    manifest.verify(folder)
    other.folder(d)  # it uses another one now
    world.store.folder(b)
    world.store.folder(c)
    assert a not in world.on_disk()


class Damaged(MemoryObjects):
    """Returns other parts than are stored."""

    def __init__(self, objects: MemoryObjects, change: Any):
        super().__init__(objects.bodies)
        self.change = change

    def read_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        for piece in super().read_range(key, start, length):
            yield from self.change(piece)


@pytest.mark.parametrize(
    "change",
    [
        lambda piece: [piece[:-1]],
        lambda piece: [piece, b"x"],
        lambda piece: [piece] * 1000,
        lambda piece: [],
        lambda piece: [bytes(len(piece))],
        lambda piece: [piece[:-1], bytes([piece[-1] ^ 1])],
    ],
)
def test_wrong_bytes_are_refused_and_leave_nothing(world: World, change: Any) -> None:
    a, b, *_ = world.releases
    world.store.folder(a)
    damaged = world.another(Damaged(world.objects, change))
    with pytest.raises(ModelUnavailable) as caught:
        damaged.folder(b)
    assert world.on_disk() == [a]
    assert world.left_over() == []
    assert sum(file.stat().st_size for file in world.root.rglob("*") if file.is_file()) < world.largest_bytes
    assert caught.value.private


def test_a_connection_that_breaks_off_is_tried_again(world: World) -> None:
    failures = {"left": 2}

    def breaking(piece: bytes) -> Iterator[bytes]:
        yield piece[:5]
        if failures["left"] > 0:
            failures["left"] -= 1
            raise StorageUnavailable(private="S3: IncompleteReadError")
        yield piece[5:]

    manifest.verify(world.another(Damaged(world.objects, breaking)).folder(world.releases[0]))
    failures["left"] = 1000
    with pytest.raises(StorageUnavailable):
        world.another(Damaged(world.objects, breaking)).folder(world.releases[1])
    assert world.left_over() == []


def test_a_full_disk_is_refused_and_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("imagegen.catalog.model_store.download", full)
    with pytest.raises(ModelUnavailable) as caught:
        world.store.folder(world.releases[0])
    assert "No space left on device" in caught.value.private
    assert world.left_over() == []


def test_threads_that_need_a_version_at_once_download_it_once(world: World) -> None:
    a = world.releases[0]
    stores = [world.another() for _ in range(8)]
    with ThreadPoolExecutor(8) as executor:
        folders = set(executor.map(lambda store: store.folder(a), stores))
    assert len(folders) == 1
    assert len(world.objects.ranges) == 2  # one for each file
    manifest.verify(folders.pop())


def _killed_while_downloading(world: World) -> None:
    def die(_: bytes) -> Iterator[bytes]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield b""

    world.another(Damaged(world.objects, die)).folder(world.releases[0])


def test_what_a_killed_process_leaves_is_deleted_and_blocks_nobody(world: World) -> None:
    process = multiprocessing.get_context("fork").Process(target=_killed_while_downloading, args=(world,))
    process.start()
    process.join(LIMIT_S)
    assert process.exitcode == -9
    assert len(world.left_over()) == 1
    assert world.on_disk() == []
    manifest.verify(world.store.folder(world.releases[0]))
    assert world.left_over() == []


def _use(world: World, ready: Any, done: Any) -> None:
    store = world.another()
    store.folder(world.releases[0])
    ready.set()
    done.wait(LIMIT_S)


def test_a_lock_ends_with_the_process_that_was_killed(world: World) -> None:
    a, b, c, _ = world.releases
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_use, args=(world, ready, done))
    process.start()
    assert ready.wait(LIMIT_S)
    for each in (b, c):
        world.store.folder(each)
    assert a in world.on_disk()
    process.kill()
    process.join()
    world.store.folder(b)
    world.store.folder(c)
    assert a not in world.on_disk()


def test_a_manifest_can_be_read_before_the_version_is_there(world: World) -> None:
    a = world.releases[0]
    size = world.store.missing_bytes(a)
    assert manifest.network_bytes(world.store.manifest_folder(a)) == {"unet": SIZE}
    assert (world.objects.ranges, world.on_disk(), size > SIZE) == ([], [], True)
    folder = world.store.folder(a)
    assert (world.store.manifest_folder(a), world.store.missing_bytes(a)) == (folder, 0)


def test_a_version_that_is_not_in_the_bucket_is_refused(world: World) -> None:
    with pytest.raises(ModelUnavailable):
        world.store.folder(Release("demo", "f" * 64))
    assert world.on_disk() == []
