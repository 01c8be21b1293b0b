"""Draws the lines of a batch, several at a time. Only the main thread writes results and shows progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

from imagegen_cli.batch.drawer import Drawer
from imagegen_cli.batch.entry import Entry
from imagegen_cli.batch.folder import Folder
from imagegen_cli.batch.lines import Line
from imagegen_cli.batch.stopping import Stop
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure

_GRACE_SECONDS: Final = 1.0
"""What threads have, after Ctrl-C, to leave no drafts of images."""
_LEAST_FAILURES: Final = 6
_ENDED: Final = None
_LABELS: Final = {each.label: each for each in ExitCode}


class Run:
    """The lines that are left, and the threads that draw them."""

    def __init__(
        self, lines: Sequence[Line], drawer: Drawer, folder: Folder, stop: Stop, watch: Callable[[Entry], None]
    ):
        """`watch` gets each new entry, after it is in the folder."""
        self._lines: SimpleQueue[Line] = SimpleQueue()
        for line in lines:
            self._lines.put(line)
        self._outcomes: SimpleQueue[Entry | BaseException | None] = SimpleQueue()
        self._drawer = drawer
        self._folder = folder
        self._stop = stop
        self._watch = watch
        self._is_closing = False
        self._failures = 0
        """In a row, that other lines may have, too."""

    def draw(self, concurrency: int) -> None:
        """Draw every line. Raises Failure if the batch stops before: the lines under way have been finished.

        After Ctrl-C they have not. The next run gets their images under the same Idempotency-Keys.
        """
        threads = [Thread(target=self._work, daemon=True) for _ in range(concurrency)]
        for thread in threads:
            thread.start()
        try:
            self._collect(concurrency)
        finally:
            self._stop.set()
            _join(threads)
            self._add_late()

    def _collect(self, concurrency: int) -> None:
        stopped: Failure | None = None
        left = concurrency
        while left:
            outcome = self._outcomes.get()
            if outcome is _ENDED:
                left -= 1
            elif isinstance(outcome, Entry):
                self._add(outcome)
                stopped = stopped or self._given_up(outcome, concurrency)
            elif isinstance(outcome, Failure):
                stopped = stopped or outcome
            else:
                raise outcome
            self._is_closing |= stopped is not None
        if stopped:
            raise stopped

    def _add(self, entry: Entry) -> None:
        self._folder.add(entry)
        self._watch(entry)

    def _given_up(self, entry: Entry, concurrency: int) -> Failure | None:
        """Return why the rest is left, once so many lines in a row have failed that the cause is not in them."""
        self._failures = self._failures + 1 if entry.retryable else 0
        if entry.error is None or self._failures < max(_LEAST_FAILURES, 2 * concurrency):
            return None
        exit_code = _LABELS.get(entry.error.code, ExitCode.SERVICE_FAILED)
        known = entry.error.model_dump(include={"code", "status"}, exclude_none=True)
        return Failure(exit_code, f"{self._failures} lines in a row failed, the last one: {entry.error.detail}", known)

    def _work(self) -> None:
        try:
            while not self._is_closing:
                outcome = self._drawer.outcome(self._lines.get_nowait())
                self._is_closing |= isinstance(outcome, Failure)
                self._outcomes.put(outcome)
        except Empty:
            pass
        except BaseException as error:  # the main thread raises it
            self._outcomes.put(error)
        finally:
            self._outcomes.put(_ENDED)

    def _add_late(self) -> None:
        """Add what the threads finished while the main thread was interrupted."""
        while not self._outcomes.empty():
            outcome = self._outcomes.get()
            if isinstance(outcome, Entry):
                self._folder.add(outcome)


def _join(threads: Sequence[Thread]) -> None:
    end = time.monotonic() + _GRACE_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
