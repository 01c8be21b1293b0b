"""Published versions on this machine's disk: downloaded when needed, least recently used deleted first.

Covered: several threads and processes at once, and what a killed one leaves. Not covered: a process that changes files
in the folder without the lock.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from imagegen.catalog import manifest
from imagegen.catalog.download import download
from imagegen.catalog.published import PublishedFiles, PublishedVersions
from imagegen.catalog.rollout import Release
from imagegen.errors import ModelUnavailable

_PARTIAL: Final = "partial-"
_VERSIONS: Final = "versions"
_MANIFESTS: Final = "manifests"
_LOCKS: Final = "locks"


class ModelStore:
    """Folders of versions below `root`, of one engine. Thread-safe, also between processes.

    A process uses one version at a time, the one that it asked for last: the others may be deleted.
    """

    def __init__(self, root: Path, published: PublishedVersions):
        """`published.largest_bytes` also bounds all versions on the disk together. `root` need not exist."""
        self._root = root
        self._published = published
        self._in_use: IO[bytes] | None = None

    def folder(self, release: Release) -> Path:
        """Return the version's folder, after downloading it if it is not there; it stays until the next call.

        Raises ModelUnavailable, also if the disk is full, or StorageUnavailable.
        """
        files = self._published.files(release)
        folder = self._path(_VERSIONS, release)
        try:
            with self._alone():
                self._use(release, files, folder)
        except OSError as error:
            raise _not_written(self._root, error) from error
        return folder

    def manifest_folder(self, release: Release) -> Path:
        """Return a folder with the version's manifest, without downloading the version. Raises what `folder` raises."""
        if (complete := self._path(_VERSIONS, release)).is_dir():
            return complete
        folder = self._path(_MANIFESTS, release)
        if not (folder / manifest.NAME).exists():
            body = self._published.files(release).body
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                    file.write(body)
                Path(file.name).replace(folder / manifest.NAME)
            except OSError as error:
                raise _not_written(folder, error) from error
        return folder

    def missing_bytes(self, release: Release) -> int:
        """Return how many bytes `folder` would download. Raises what `folder` raises."""
        return 0 if self._path(_VERSIONS, release).is_dir() else self._published.files(release).bytes

    def _use(self, release: Release, files: PublishedFiles, folder: Path) -> None:
        self._release_last()
        self._remove_partial()
        if not folder.is_dir():
            self._make_room(files.bytes)
            self._download(release, files, folder)
        self._in_use = self._shared_lock(folder.name)
        self._lock_file(folder.name).write_text(str(time.time_ns()))  # of its last use: files' times are coarser

    def _path(self, kind: str, release: Release) -> Path:
        return self._root / kind / f"{release.version}.{self._published.engine}"

    def _download(self, release: Release, files: PublishedFiles, folder: Path) -> None:
        prefix = f"{release.prefix}{self._published.engine}/"
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder.parent))
        try:
            download(self._published.objects, prefix, files, partial)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    # -- room ----------------------------------------------------------------------------------------------------------

    def _make_room(self, needed: int) -> None:
        """Delete versions, the least recently used first, until `needed` more bytes fit.

        Those in use by another process stay. The disk, not this bound, is then what a download may exceed.
        """
        kept = sorted((self._root / _VERSIONS).iterdir(), key=self._last_used)
        sizes = {folder: _bytes(folder) for folder in kept}
        for folder in kept:
            if sum(sizes.values()) + needed <= self._published.largest_bytes:
                return
            if self._delete(folder):
                del sizes[folder]

    def _delete(self, folder: Path) -> bool:
        """Delete a version unless it is in use; return whether it was deleted."""
        lock = self._lock_file(folder.name)
        with lock.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            going = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder.parent))
            folder.rename(going / folder.name)  # first, so that a process that ends now leaves no half of a version
            shutil.rmtree(going, ignore_errors=True)
            return True

    def _last_used(self, folder: Path) -> int:
        """Return epoch nanoseconds; 0 for a version whose process was killed before it could use it."""
        with suppress(OSError, ValueError):
            return int(self._lock_file(folder.name).read_text())
        return 0

    def _remove_partial(self) -> None:
        """Delete what killed processes left: while this one is alone, nobody downloads."""
        for folder in (self._root / _VERSIONS).glob(f"{_PARTIAL}*"):
            shutil.rmtree(folder, ignore_errors=True)

    # -- locks ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Run alone among the threads and processes that share `root`. A lock ends with its process."""
        (self._root / _VERSIONS).mkdir(parents=True, exist_ok=True)
        (self._root / _LOCKS).mkdir(exist_ok=True)
        with (self._root / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _shared_lock(self, name: str) -> IO[bytes]:
        file = self._lock_file(name).open("ab")
        fcntl.flock(file, fcntl.LOCK_SH)
        return file

    def _lock_file(self, name: str) -> Path:
        return self._root / _LOCKS / name

    def _release_last(self) -> None:
        if self._in_use is not None:
            self._in_use.close()
            self._in_use = None


def _not_written(folder: Path, error: OSError) -> ModelUnavailable:
    return ModelUnavailable.because(folder, f"cannot be written: {error.strerror}")


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
