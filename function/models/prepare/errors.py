"""The error of this package."""

from __future__ import annotations


class PrepareError(Exception):
    """The model cannot be prepared. The message tells the command line's user the cause and, if known, the fix."""
