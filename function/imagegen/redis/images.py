"""Cache entries in Redis, in front of the image store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from pydantic import TypeAdapter, ValidationError

from imagegen.generation.ports import ImageStore, SignedUrl, StoredImage
from imagegen.redis.server import RedisFailed, RedisServer

LONGEST: Final = timedelta(hours=1)
"""An entry is read from the store again after this. It bounds how long an entry is served that a request replaced, or
an operator deleted, while Redis could not be told."""
_FORMAT: Final = 1
"""In every key. Another version of the software that writes other entries has another number."""


class RedisImageStore:
    """Implements generation.ports.ImageStore: entries come from Redis, everything else from the store behind it.

    An entry is found here for as long as the store would find it, and for LONGEST at most.
    """

    def __init__(
        self, server: RedisServer, store: ImageStore, name: str, spare: timedelta, now: Callable[[], datetime]
    ):
        """`name` tells deployments apart. An entry ends `spare`, a URL's lifetime, before its images do."""
        self._server = server
        self._store = store
        self._name = name
        self._spare = spare
        self._now = now

    def find(self, entry: str) -> list[StoredImage] | None:
        """Return the entry's images, or None if it is missing or one may be deleted before a URL signed now expires."""
        value = self._value(entry)
        if (known := self._usable(entry, value)) is not None:
            return known
        found = self._store.find(entry)
        if found is not None:
            # A value that is there now, where none was, is of a request that has replaced the entry meanwhile.
            self._keep(entry, found, replace=value is not None)
        return found

    def remember(self, entry: str, images: Sequence[StoredImage], *, replace: bool) -> None:
        """Write a cache entry. Without `replace` an entry that `find` returns stays as it is.

        Then only the store knows which one that is, and the next `find` asks it.
        """
        self._store.remember(entry, images, replace=replace)
        if replace:
            self._keep(entry, images, replace=True)

    def put(
        self, key: str, body: bytes, content_type: str, *, pixels_sha256: str, warnings: Sequence[str]
    ) -> StoredImage:
        """Store an image."""
        return self._store.put(key, body, content_type, pixels_sha256=pixels_sha256, warnings=warnings)

    def read(self, key: str) -> bytes:
        """Return the image that was stored."""
        return self._store.read(key)

    def sign(self, key: str, until: datetime) -> SignedUrl:
        """Return a presigned URL that expires at `until` or earlier."""
        return self._store.sign(key, until)

    def require_signer(self) -> None:
        """Raise DeliveryUnavailable if no URL can be signed now."""
        self._store.require_signer()

    def _value(self, entry: str) -> bytes | None:
        with suppress(RedisFailed):
            return self._server.get(self._key(entry))
        return None

    def _usable(self, entry: str, value: bytes | None) -> list[StoredImage] | None:
        """Return the images that the value describes; None if it is none of ours, or one of them is too old."""
        folder = entry.rpartition("/")[0]
        with suppress(ValidationError, TypeError, OverflowError):  # a time without its zone, or before the calendar
            images = _entries().validate_json(value or b"[]")
            if self._lasts(images) > timedelta() and all(image.key.startswith(f"{folder}/") for image in images):
                return images
        return None

    def _keep(self, entry: str, images: Sequence[StoredImage], *, replace: bool) -> None:
        lasts_ms = self._lasts(images) // timedelta(milliseconds=1)
        if lasts_ms > 0:
            with suppress(RedisFailed):
                self._server.set(self._key(entry), _entries().dump_json(list(images)), lasts_ms, replace=replace)

    def _lasts(self, images: Sequence[StoredImage]) -> timedelta:
        """Return how long the entry can be served from now on."""
        ends = min((image.kept_until for image in images), default=self._now())
        return min(ends - self._spare - self._now(), LONGEST)

    def _key(self, entry: str) -> str:
        return f"{self._name}:{_FORMAT}:{entry}"


@cache
def _entries() -> TypeAdapter[list[StoredImage]]:
    return TypeAdapter(list[StoredImage])  # not at import, as in aws/s3.py
