"""The moments at which a worker dies: SIGKILL from inside, exactly there, or from outside at any time."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from tools.faults.history import Ledger

Moment = Literal["before_claim", "after_claim", "denoising", "after_store", "after_finish", "before_answer", "any"]
MOMENTS: Final[tuple[Moment, ...]] = (
    *("before_claim", "after_claim", "denoising"),
    *("after_store", "after_finish", "before_answer", "any"),
)
"""`any`: the poller kills from outside, at a random time."""
_WRITES: Final = ("dynamodb.UpdateItem", "dynamodb.TransactWriteItems", "dynamodb.PutItem")


class Kills:
    """Armed with a moment for one invocation; the process ends when it comes.

    A moment is told by what AWS has seen, not by the product's own steps: the claim is the first write to the table
    that AWS carried out, the end is the first transaction after the image was stored.
    """

    def __init__(self, ledger: Ledger, folder: Path, most: int | None = None):
        self._ledger, self._folder, self._most = ledger, folder, most
        self._armed: Moment | None = None
        self._stored = False

    def arm(self, moment: Moment | None) -> None:
        self._armed, self._stored = moment, False
        self.reached("before_claim")

    def watch(self, operation: str, when: str) -> None:
        """Told around every call that AWS sees."""
        if when == "before":
            return
        if operation in _WRITES:
            self.reached("after_claim")
        if operation == "dynamodb.TransactWriteItems" and self._stored:
            self.reached("after_finish")
        if operation == "s3.PutObject":
            self._stored = True
            self.reached("after_store")

    def reached(self, moment: Moment) -> None:
        if moment == self._armed and self._allowed():
            self._ledger.add("killed", moment=moment, pid=os.getpid())
            os.kill(os.getpid(), signal.SIGKILL)

    def _allowed(self) -> bool:
        """Whether the run has kills left; processes agree by who makes a file first."""
        if self._most is None:
            return True
        for number in range(self._most):
            with suppress(FileExistsError):
                (self._folder / f"kill-{number}").touch(exist_ok=False)
                return True
        return False
