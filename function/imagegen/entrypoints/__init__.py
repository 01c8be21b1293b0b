"""One thin module per Lambda function: parse the event, make one service call, render the response.

Their imports create objects that stay, so Python does not look for garbage until `initialized()`.
"""

from __future__ import annotations

import gc

gc.disable()


def initialized() -> None:
    """Collect garbage from now on, but not among the objects that exist by now. Every entrypoint ends with it."""
    gc.freeze()
    gc.enable()
