"""A file in memory that a parser may read only so often, which bounds the time that a hostile file takes."""

from __future__ import annotations

import io
from typing import Final

MAX_CALLS: Final = 100_000
"""Reads and seeks. A signed picture of 10 MB takes 1,800; 300,000 empty chunks would take 3,600,000 and 4 seconds."""


class BoundedFile(io.BytesIO):
    """Raises OSError after MAX_CALLS calls; `exhausted` then tells why the parser failed."""

    def __init__(self, data: bytes):
        super().__init__(data)
        self._calls = 0

    @property
    def exhausted(self) -> bool:
        """Whether a call was refused."""
        return self._calls > MAX_CALLS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as io.BytesIO does."""
        self._count()
        return super().read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Seek as io.BytesIO does."""
        self._count()
        return super().seek(offset, whence)

    def _count(self) -> None:
        self._calls += 1
        if self.exhausted:
            raise OSError("too many parts")
