"""Once more, for what a run must not go without."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from imagegen.errors import StorageUnavailable

T = TypeVar("T")

PAUSES_S: Final = (0.1, 0.2, 0.4)
PATIENCE_S: Final = 2.0
"""No further try later than that: a call that took so long has waited for AWS's answer itself, and several times."""


def insist(call: Callable[[], T]) -> T:
    """Call again where AWS fails at once.

    botocore tries again, too, but all calls of a client share one budget of tries (`botocore.retries.quota`). Under
    lasting trouble it is spent, and then the first lost answer fails a call; a run that cannot say how it ended costs
    its job an attempt (docs/decisions.md). `call` gives the same when it is repeated. Raises StorageUnavailable.
    """
    end = time.monotonic() + PATIENCE_S
    for pause_s in PAUSES_S:
        try:
            return call()
        except StorageUnavailable:
            if time.monotonic() + pause_s > end:
                raise
        time.sleep(pause_s)
    return call()
