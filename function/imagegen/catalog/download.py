"""Downloads one engine's folder of a published version in parallel ranges.

Covered: an object that is shorter or longer than its manifest says, wrong bytes of the right number, and a connection
that breaks off.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagegen.catalog import manifest
from imagegen.catalog.ports import ModelObjects
from imagegen.catalog.published import PublishedFiles
from imagegen.errors import ModelUnavailable, StorageUnavailable

RANGE_BYTES: Final = 16 * 1024**2
"""One request. Smaller ones cost more requests, larger ones leave fewer to run in parallel and more to repeat."""
PARALLEL: Final = 8
"""Requests at a time."""
ATTEMPTS: Final = 3
"""Of each range, beside those of the client: a body may break off after the response has begun."""


@dataclass(frozen=True)
class _Range:
    name: str
    start: int
    length: int


def download(objects: ModelObjects, prefix: str, files: PublishedFiles, folder: Path) -> None:
    """Write all files and the manifest to `folder`, which must be empty, and verify them.

    Raises ModelUnavailable, StorageUnavailable, or OSError if the disk is full.
    """
    for name, size in files.sizes.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as new:
            new.truncate(size)
    (folder / manifest.NAME).write_bytes(files.body)
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="download") as executor:
        pending = [executor.submit(_fetch, objects, prefix, folder, each) for each in _ranges(files)]
        try:
            for each in pending:
                each.result()
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise
    manifest.verify(folder)


def _ranges(files: PublishedFiles) -> list[_Range]:
    return [
        _Range(name, start, min(RANGE_BYTES, size - start))
        for name, size in files.sizes.items()
        for start in range(0, size, RANGE_BYTES)
    ]


def _fetch(objects: ModelObjects, prefix: str, folder: Path, part: _Range) -> None:
    for _ in range(ATTEMPTS - 1):
        with suppress(StorageUnavailable):
            _copy(objects, prefix, folder, part)
            return
    _copy(objects, prefix, folder, part)


def _copy(objects: ModelObjects, prefix: str, folder: Path, part: _Range) -> None:
    left = part.length
    with (folder / part.name).open("r+b") as file:
        file.seek(part.start)
        for piece in objects.read_range(prefix + part.name, part.start, part.length):
            if len(piece) > left:
                break
            file.write(piece)
            left -= len(piece)
        else:
            if left == 0:
                return
    raise ModelUnavailable.because(prefix + part.name, f"does not have {part.length} bytes at {part.start}")
