"""The folder of a batch: its images, `results.jsonl` with an entry per line, and the batch's id.

One command at a time writes to it. An entry is written after its images, in one piece: what a killed process, or a full
disk, leaves of one is dropped by the next run, which repeats the line under the same Idempotency-Key.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pydantic import ValidationError

from imagegen_cli.batch.entry import Entry
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure, usage
from imagegen_cli.whole_file import whole_file

RESULTS: Final = "results.jsonl"
_ID: Final = ".imagegen-batch"
_UUID: Final = re.compile(r"[0-9a-f]{32}")
_DRAFT: Final = re.compile(r"\.(results\.jsonl|\d{5,}-\d+(-[0-9a-f]{8})?\.(png|jpg|webp))\.\d+")


class Folder:
    """Open in a `with` block. Every method raises Failure: file, or usage if another command writes to it."""

    def __init__(self, path: Path):
        self.path = path
        self.results = path / RESULTS
        self.entries: dict[str, Entry] = {}
        """What is done, by Idempotency-Key."""
        self.owners: dict[str, str] = {}
        """The Idempotency-Key of each image's entry, by the file's name."""
        self.batch_id = ""
        self._lock = -1
        self._file = -1

    def __enter__(self) -> Self:
        try:
            with self._writing():
                self.path.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(self.path / _ID, os.O_RDWR | os.O_CREAT, 0o666)
                self._take()
                self._read_entries()
                self.batch_id = self._read_id()
                self._file = os.open(self.results, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # the next run deletes them; `error` says what is wrong with the disk
            self.remove_drafts()
        self._close()

    def add(self, entry: Entry) -> None:
        """Append the entry as a whole or not at all."""
        rest, before = entry.row(), os.fstat(self._file).st_size
        with self._writing():
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except BaseException:
                os.ftruncate(self._file, before)  # a disk that is full takes a part
                raise
        self._know(entry)

    def remove_drafts(self) -> None:
        """Delete what killed processes left of images. Raises OSError."""
        for path in self.path.iterdir():
            if _DRAFT.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _take(self) -> None:
        if os.name != "posix":
            return
        import fcntl

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise usage(f"Another imagegen batch writes to {self.path}. Wait for it, or give another --out.") from None

    def _read_id(self) -> str:
        """Return the id that the first run has drawn. No request was sent before it was written.

        Raises Failure (usage) if it is gone: results that were copied without it do not say what was paid.
        """
        text = os.read(self._lock, 64).decode(errors="replace").strip()
        if _UUID.fullmatch(text):
            return text
        if self.entries:
            raise usage(
                f"{self.path / _ID} does not have the batch's id, without which every line would be drawn and paid "
                "again. Restore the file, or give another --out."
            )
        drawn = uuid.uuid4().hex
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{drawn}\n".encode(), 0)
        os.fsync(self._lock)
        return drawn

    def _read_entries(self) -> None:
        """Keep one entry per line, and none of a line that is to be repeated."""
        self.remove_drafts()
        text = self.results.read_bytes() if self.results.exists() else b""
        *rows, torn = text.split(b"\n")
        for number, row in enumerate(rows, start=1):
            self._know(self._entry(number, row))
        with suppress(ValidationError):
            self._know(Entry.model_validate_json(torn))  # an editor's file may lack the last line break
        self.entries = {key: entry for key, entry in self.entries.items() if not entry.retryable}
        kept = b"".join(entry.row() for entry in self.entries.values())
        if kept != text:
            with whole_file(self.results) as file:
                file.write(kept)

    def _entry(self, number: int, row: bytes) -> Entry:
        try:
            return Entry.model_validate_json(row)
        except ValidationError:
            raise usage(f"{self.results}, line {number}, is not an entry of a batch. Delete or correct it.") from None

    def _know(self, entry: Entry) -> None:
        self.entries[entry.idempotency_key] = entry
        self.owners |= dict.fromkeys(entry.files, entry.idempotency_key)

    def _close(self) -> None:
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Failure(
                ExitCode.FILE, f"{error.filename or self.path} cannot be written: {error.strerror}."
            ) from error
