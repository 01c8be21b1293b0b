"""Lines of threads stay whole."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tools.local.write_line import write_line

THREADS: Final = 8


class Pauses(io.StringIO):
    """Lets other threads write after each write, as a terminal or a file may."""

    def __init__(self, pool: ThreadPoolExecutor):
        super().__init__()
        self.pool = pool
        self.others = [f"line {number}" for number in range(THREADS)]

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.others:
            self.pool.submit(write_line, self, self.others.pop()).result()
        return written


def test_a_line_of_another_thread_does_not_end_up_inside_of_a_line() -> None:
    with ThreadPoolExecutor(THREADS + 1) as pool:
        stream = Pauses(pool)
        write_line(stream, "first")
    lines = stream.getvalue().splitlines()
    assert sorted(lines) == ["first", *(f"line {number}" for number in range(THREADS))]
