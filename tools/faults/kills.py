"""Points in an invocation at which its process dies by SIGKILL."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

from tools.faults.history import History

Point = Literal[
    "before_claim",
    "after_claim",
    "denoising",
    "after_checkpoint",
    "after_store",
    "after_finish",
    "before_answer",
    "any",
]
KillPoint: TypeAlias = Point | int
"""A number is a denoising step: the process dies after it, before it can save a checkpoint."""
KILL_POINTS: Final[tuple[KillPoint, ...]] = (
    *("before_claim", "after_claim", "denoising"),
    *("after_store", "after_finish", "before_answer", "any"),
)
"""At all but `any` the process kills itself. For `any` the poller kills it at a random time."""
_CHECKPOINTS: Final = "/checkpoints/"
_WRITES: Final = ("dynamodb.UpdateItem", "dynamodb.TransactWriteItems", "dynamodb.PutItem")


class Kills:
    """Kills this process when it reaches the armed point.

    Points follow from the calls that reach AWS, not from the product's code: the claim is the first table write that
    AWS executed, and the end of a run is the first transaction after the image was stored. Only steps are reported by
    the engine.
    """

    def __init__(self, history: History, folder: Path, max_kills: int | None = None):
        self._history, self._folder, self._max_kills = history, folder, max_kills
        self._armed: KillPoint | None = None
        self._stored = False

    def arm(self, point: KillPoint | None) -> None:
        """Set the point for the next invocation; None disarms. Kills at once if the point is `before_claim`."""
        self._armed, self._stored = point, False
        self.reached("before_claim")

    def watch(self, operation: str, when: str, url: str) -> None:
        """Derive points from AWS calls. Called `before` and `after` each call that reaches AWS, or `failed`.

        `failed` is a call that AWS has not answered.
        """
        if when == "failed" and operation == "s3.PutObject" and _CHECKPOINTS in url:
            self._history.add("save_failed", pid=os.getpid())
        if when != "after":
            return
        if operation in _WRITES:
            self.reached("after_claim")
        if operation == "dynamodb.TransactWriteItems" and self._stored:
            self.reached("after_finish")
        if operation == "s3.PutObject" and _CHECKPOINTS in url:
            self.reached("after_checkpoint")
        elif operation == "s3.PutObject":
            self._stored = True
            self.reached("after_store")

    def reached(self, point: KillPoint) -> None:
        """Kill this process if `point` is armed and the limit on kills allows it."""
        if point == self._armed and self._allowed():
            self._history.add("killed", point=point, pid=os.getpid())
            os.kill(os.getpid(), signal.SIGKILL)

    def _allowed(self) -> bool:
        """Creating a file counts as taking one kill, so processes share the limit without a lock."""
        if self._max_kills is None:
            return True
        for number in range(self._max_kills):
            with suppress(FileExistsError):
                (self._folder / f"kill-{number}").touch(exist_ok=False)
                return True
        return False
