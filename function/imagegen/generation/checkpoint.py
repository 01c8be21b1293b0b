"""What the runs of one job leave for the next: a snapshot of its denoising in the store."""

from __future__ import annotations

import json
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from imagegen.errors import StorageUnavailable
from imagegen.generation.ports import CheckpointStore
from imagegen.generation.result import Timings
from imagegen.generation.snapshot import Snapshot, pack, unpack
from imagegen.retry import retry

SAVING_SECONDS: Final = 2.0
"""Reserved for the save at the deadline."""
_RETRY_S: Final = 0.5
_PAUSE_S: Final = 5.0
"""Before the next save after one that failed."""
_HEADER: Final = "header"
_FORMAT: Final = 1


@dataclass(frozen=True)
class Saved:
    """A snapshot with what produced it. It answers for the images of `spec_key` only."""

    spec_key: str
    """The specification's cache key without an environment."""
    cache_keys: tuple[str, ...]
    """The cache keys of all runs so far; more than one if engine or precision changed between two of them."""
    spent: Timings
    """The compute time of all runs so far. `denoise_ms` includes text encoding and compiling."""
    snapshot: Snapshot = field(default_factory=Snapshot)

    def encode(self) -> bytes:
        """Return the file that `decode` reads."""
        header = {"format": _FORMAT, "spec_key": self.spec_key, "cache_keys": self.cache_keys}
        header["spent"] = self.spent.model_dump(exclude_defaults=True)
        text = json.dumps(header).encode()
        return pack(self.snapshot.encode() | {_HEADER: np.frombuffer(text, dtype=np.uint8)})

    @classmethod
    def decode(cls, body: bytes) -> Saved | None:
        """Return None for a file that this version cannot read: the next run starts over."""
        try:
            arrays = unpack(body)
            header: dict[str, Any] = json.loads(arrays[_HEADER].tobytes())
            if header["format"] != _FORMAT:
                return None
            spent = Timings.model_validate(header["spent"])
            return cls(header["spec_key"], tuple(header["cache_keys"]), spent, Snapshot.decode(arrays))
        except (ValueError, TypeError, KeyError, OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error):
            return None


class Checkpoint:
    """The checkpoint of one job, as one run uses it. Implements ports.Resumption.

    A save that fails is not raised: the run continues, and the next one repeats more steps.
    """

    def __init__(
        self,
        store: CheckpointStore,
        key: str,
        *,
        may_exist: bool,
        until_deadline: bool,
        save_every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        """`may_exist` is whether the job has had a run before.

        `until_deadline` is whether a run that cannot finish here uses all of its time. Otherwise it stops as soon as
        that is known, because a caller waits. A run that is killed loses at most `save_every_s` seconds of work, or one
        step if that takes longer.
        """
        self.until_deadline = until_deadline
        self.advanced = False
        """Whether this run has saved progress: the next one has less to do."""
        self.waited = False
        """Whether the run has spent its time, or most of it, waiting for one that generates the same images."""
        self.exists = may_exist
        """Whether there may be something to delete."""
        self.latest: Callable[[], Snapshot] | None = None
        """Returns the latest snapshot, also one that has been saved; None before the first."""
        self._store = store
        self._key = key
        self._save_every_s = save_every_s
        self._clock = clock
        self._began = self._reached_at = clock()
        self._step_s = 0.0
        self._save_from = self._began + save_every_s
        self._found = Saved("", (), Timings())
        self._load_ms = 0
        self._computing = 0.0
        self._take: Callable[[], Snapshot] | None = None

    def begin(self, spec_key: str, cache_key: str, load_s: float) -> None:
        """Read what earlier runs have saved for this specification. The model has been loaded, in `load_s` seconds.

        Raises StorageUnavailable: without the checkpoint the run would repeat, and then overwrite, hours of work.
        """
        found = self._read() if self.exists else None
        if found is None or found.spec_key != spec_key:
            found = Saved(spec_key, (), Timings())
        keys = tuple(dict.fromkeys((*found.cache_keys, cache_key)))
        self._found = Saved(spec_key, keys, found.spent, found.snapshot)
        self._load_ms = round(load_s * 1000)
        self._computing = self._reached_at = self._clock()
        self._save_from = self._computing + self._save_every_s

    @property
    def resumed_at(self) -> int | None:
        """The step at which the run begins; None until that is known."""
        return self._found.snapshot.steps if self._found.spec_key else None

    @property
    def snapshot(self) -> Snapshot:
        """Where the run begins: empty if it starts over."""
        return self._found.snapshot

    @property
    def spent(self) -> Timings:
        """The compute time of earlier runs whose progress this one uses."""
        return self._found.spent

    @property
    def reproducible(self) -> bool:
        """Whether one engine and precision made every step, so that an identical request returns the same image."""
        return len(self._found.cache_keys) <= 1

    def reached(self, take: Callable[[], Snapshot]) -> None:
        """Remember the latest snapshot, as soon as there is one: whatever comes later, a kill repeats."""
        now = self._clock()
        self._step_s, self._reached_at = now - self._reached_at, now
        self.latest = self._take = take

    def save_if_due(self) -> None:
        """Save the latest snapshot if the work since the last save would exceed `save_every_s` with one more step.

        To be called once for each step, after the run has made sure that it still owns the job.
        """
        if self._clock() + self._step_s > self._save_from:
            self.save()

    def save(self, retry_s: float = _RETRY_S) -> None:
        """Save the latest snapshot, if this run has got further than the last save. No retry starts after `retry_s`."""
        if self._take is None:
            return
        saved = Saved(self._found.spec_key, self._found.cache_keys, self._spent_now(), self._take())
        body = saved.encode()
        self.exists = True  # also if the response is lost
        self._save_from = self._clock() + _PAUSE_S
        with suppress(StorageUnavailable):
            retry(lambda: self._store.write(self._key, body), retry_s)
            self.advanced, self._take = True, None
            # A slow write of the progress, or of the snapshot, is time that a kill costs, too.
            self._save_from = self._reached_at + self._save_every_s

    def discard(self) -> None:
        """Delete it, if there is one. What cannot be deleted expires with the bucket's lifecycle rule."""
        if self.exists:
            with suppress(StorageUnavailable):
                self._store.delete(self._key)

    def _read(self) -> Saved | None:
        body = retry(lambda: self._store.read(self._key))
        return Saved.decode(body) if body is not None else None

    def _spent_now(self) -> Timings:
        now, before = self._clock(), self._found.spent
        return Timings(
            load_ms=before.load_ms + self._load_ms,
            denoise_ms=before.denoise_ms + round((now - self._computing) * 1000),
            total_ms=before.total_ms + round((now - self._began) * 1000),
        )
