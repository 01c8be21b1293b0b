"""Cache entries in a real server, in front of S3: the same answers as S3 gives, without asking it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from imagegen.aws.s3 import S3ImageStore
from imagegen.generation.ports import StoredImage
from imagegen.redis.images import LONGEST, RedisImageStore
from imagegen.redis.server import RedisServer
from tests.support.redis_servers import Running, Told, connected

ENTRY = "images/alice/0a1b/entry.json"
KEY = f"images-bucket:1:{ENTRY}"
SPARE = timedelta(hours=1)
Make = Callable[..., RedisImageStore]


class CountedStore(S3ImageStore):
    """Counts how often S3 is asked for an entry."""

    looked_up = 0

    def find(self, entry: str) -> list[StoredImage] | None:
        self.looked_up += 1
        return super().find(entry)


@pytest.fixture
def s3(bucket: str) -> CountedStore:
    return CountedStore(bucket, int(SPARE.total_seconds()), 7)


@pytest.fixture
def make(s3: CountedStore, server: RedisServer) -> Make:
    """Make the store of another environment, whose clock may be `ahead`."""

    def store(through: RedisServer = server, ahead: timedelta = timedelta()) -> RedisImageStore:
        return RedisImageStore(through, s3, "images-bucket", SPARE, lambda: datetime.now(UTC) + ahead)

    return store


def drawn(store: RedisImageStore, body: bytes = b"png", warnings: tuple[str, ...] = ()) -> StoredImage:
    key = f"images/alice/0a1b/{body.hex()}/demo-1.png"
    return store.put(key, body, "image/png", pixels_sha256="ff", warnings=warnings)


def test_another_environment_finds_the_entry_without_asking_s3(
    make: Make, s3: CountedStore, process: Running, told: Told
) -> None:
    store = make()
    images = [drawn(store, b"a", ("prompt_truncated: ...",)), drawn(store, b"b")]
    store.remember(ENTRY, images, replace=False)
    for _ in range(3):
        assert make(connected(process.url, told)).find(ENTRY) == images
    assert s3.looked_up == 1, "the first time"
    assert process.raw.keys() == [KEY.encode()]
    assert 0 < process.raw.pttl(KEY) <= LONGEST.total_seconds() * 1000


def test_a_missing_entry_is_found_as_soon_as_it_exists(make: Make) -> None:
    store = make()
    assert store.find(ENTRY) is None
    store.remember(ENTRY, [drawn(store)], replace=False)
    assert make().find(ENTRY) is not None


def test_a_refresh_replaces_the_entry_for_all(make: Make) -> None:
    store, other = make(), make()
    store.remember(ENTRY, [drawn(store, b"old")], replace=False)
    assert other.find(ENTRY) is not None
    new = [drawn(store, b"new")]
    store.remember(ENTRY, new, replace=True)
    assert other.find(ENTRY) == store.find(ENTRY) == new


def test_without_a_refresh_the_first_entry_stays(make: Make) -> None:
    store = make()
    first = [drawn(store, b"first")]
    store.remember(ENTRY, first, replace=False)
    store.remember(ENTRY, [drawn(store, b"second")], replace=False)
    assert store.find(ENTRY) == make().find(ENTRY) == first


def test_an_entry_never_outlives_its_images(make: Make, s3: CountedStore, process: Running) -> None:
    store = make()
    images = [drawn(store)]
    store.remember(ENTRY, images, replace=True)
    soon = timedelta(days=7) - SPARE - timedelta(minutes=10)
    process.raw.flushall()
    make(ahead=soon).find(ENTRY)
    assert 0 < process.raw.pttl(KEY) <= 600_000, "what is left of them"
    asked = s3.looked_up
    make(ahead=soon + timedelta(minutes=11)).find(ENTRY)
    assert s3.looked_up == asked + 1, "too old, whatever Redis has kept"
    process.raw.flushall()
    make(ahead=soon + timedelta(minutes=11)).find(ENTRY)
    assert process.raw.dbsize() == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value[:-10],
        lambda value: value[:1],
        lambda value: b"",
        lambda value: b"[]",
        lambda value: b"null",
        lambda value: b"{}",
        lambda value: b"\xff\xfe\x00",
        lambda value: b"[" * 100_000,
        lambda value: value.replace(b'"sha256"', b'"digest"'),
        lambda value: value.replace(b"images/alice", b"images/bob"),
        lambda value: value.replace(b'Z"', b'"'),
        lambda value: re.sub(rb'"kept_until":"\d{4}', b'"kept_until":"0001', value),
    ],
)
def test_a_value_that_is_none_of_ours_is_replaced_by_that_of_s3(
    make: Make, s3: CountedStore, process: Running, damage: Callable[[bytes], bytes], told: Told
) -> None:
    store = make()
    images = [drawn(store)]
    store.remember(ENTRY, images, replace=True)
    process.raw.set(KEY, damage(process.raw.get(KEY)))
    for _ in range(2):
        assert make().find(ENTRY) == images
    assert s3.looked_up == 1
    assert told.failures == []


def test_another_type_under_the_key_is_replaced(make: Make, s3: CountedStore, process: Running, told: Told) -> None:
    store = make()
    images = [drawn(store)]
    store.remember(ENTRY, images, replace=False)
    process.raw.lpush(KEY, "1")
    for _ in range(2):
        assert store.find(ENTRY) == images
    assert s3.looked_up == 1
    assert told.failures == []


def test_a_slow_reader_does_not_undo_a_refresh(make: Make, s3: CountedStore, server: RedisServer) -> None:
    store = make()
    old, new = [drawn(store, b"old")], [drawn(store, b"new")]
    store.remember(ENTRY, old, replace=False)

    class Slow(CountedStore):
        def find(self, entry: str) -> list[StoredImage] | None:
            found = s3.find(entry)
            store.remember(ENTRY, new, replace=True)  # by another request, meanwhile
            return found

    reader = RedisImageStore(server, Slow("unused", 3600, 7), "images-bucket", SPARE, lambda: datetime.now(UTC))
    assert reader.find(ENTRY) == old
    assert store.find(ENTRY) == new


def test_no_prompt_is_in_redis(make: Make, process: Running) -> None:
    """An entry has what the response says about the files; the key has a digest of the request."""
    store = make()
    store.remember(ENTRY, [drawn(store)], replace=True)
    described = {"key", "bytes", "sha256", "stored_at", "kept_until", "warnings", "pixels_sha256"}
    assert [each.keys() for each in json.loads(process.raw.get(KEY))] == [described]


def test_without_redis_every_answer_is_that_of_s3(make: Make, process: Running, told: Told) -> None:
    store = make()
    process.stop()
    images = [drawn(store)]
    assert store.find(ENTRY) is None
    store.remember(ENTRY, images, replace=True)
    assert store.find(ENTRY) == images
    assert store.read(images[0].key) == b"png"
    assert images[0].key in store.sign(images[0].key, images[0].kept_until).url
    assert told.failures == ["ConnectionError"]


def test_a_flush_is_a_miss(make: Make, process: Running) -> None:
    store = make()
    images = [drawn(store)]
    store.remember(ENTRY, images, replace=True)
    process.raw.flushall()
    assert dataclasses.astuple(store.find(ENTRY)[0]) == dataclasses.astuple(images[0])  # type: ignore[index]
