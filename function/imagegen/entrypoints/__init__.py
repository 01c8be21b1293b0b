"""One thin module per Lambda function: parse the event, make one service call, render the response.

Their imports create objects that stay, so Python does not look for garbage until `initialized()`.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import StrOrBytesPath

_TRACE_ID: Final = b"_X_AMZN_TRACE_ID"
_set_variable: Final = os.putenv


def initialized() -> None:
    """Collect garbage from now on, but not among the objects that exist by now. Every entrypoint ends with it."""
    gc.freeze()
    gc.enable()


def _putenv(name: StrOrBytesPath, value: StrOrBytesPath) -> None:
    """Set a variable of the process, other than the trace id: `os.environ` calls it before it keeps the value.

    Lambda's runtime sets the trace id for each invocation, and glibc never frees a variable's earlier values: they and
    the holes between them would take 1 kB per invocation. Its readers are written in Python and ask `os.environ`.
    """
    if os.fsencode(name) != _TRACE_ID:
        _set_variable(name, value)


gc.disable()
os.putenv = _putenv
