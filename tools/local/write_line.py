"""Lines of threads that share a stream."""

from __future__ import annotations

from typing import TextIO


def write_line(stream: TextIO, text: str) -> None:
    """Write the text and the end of its line at once. `print` writes them one by one, so lines of threads mix."""
    stream.write(f"{text}\n")
    stream.flush()
