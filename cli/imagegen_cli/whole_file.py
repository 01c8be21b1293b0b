"""Writes a file as a whole: readers see the old content or the new one, and a full disk leaves the old one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Yield a draft that replaces `path` when the block ends without an error, and that is deleted otherwise.

    A link is kept: the file that it names is replaced. `mode` has the permissions of the new file before the umask.
    Raises OSError, and FileExistsError if `path` is a device, a FIFO or anything else that is no regular file: a file
    must not take its place.
    """
    target = Path(os.path.realpath(path))
    _require_replaceable(target)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # of a killed process with the same number; `mode` applies only to a new file
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _require_replaceable(target)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def is_replaceable(path: Path) -> bool:
    """Return whether `path`, or what it links to, is a regular file or does not exist."""
    return path.is_file() or not path.exists()


def _require_replaceable(path: Path) -> None:
    if not is_replaceable(path):
        raise FileExistsError(errno.EEXIST, "This is not a regular file, so it is not replaced", str(path))
