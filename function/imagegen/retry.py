"""Retries store calls beyond botocore's retry quota."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from imagegen.errors import StorageUnavailable

T = TypeVar("T")

PAUSES_S: Final = (0.1, 0.2, 0.4)
GIVE_UP_S: Final = 2.0
"""No retry starts later than this. A call that takes as long has already waited for botocore's own retries."""


def retry(call: Callable[[], T], within_s: float = GIVE_UP_S) -> T:
    """Return what the idempotent `call` returns; retry it if AWS fails quickly.

    No retry starts later than `within_s`, or than GIVE_UP_S; zero or less means one attempt.

    botocore also retries, but all calls of a client share one retry quota (`botocore.retries.quota`). A lasting failure
    uses it up, and then the first lost response fails a call. A run that cannot record how it ended costs its job an
    attempt, and images that cannot be stored are generated again (docs/decisions/jobs.md). Raises StorageUnavailable.
    """
    end = time.monotonic() + min(within_s, GIVE_UP_S)
    for pause_s in PAUSES_S:
        try:
            return call()
        except StorageUnavailable:
            if time.monotonic() + pause_s > end:
                raise
        time.sleep(pause_s)
    return call()
