"""Paths that people write with ~, outside a shell."""

from __future__ import annotations

from pathlib import Path


def expanded(path: Path) -> Path:
    """Return the path with the home folder in the place of ~ or ~user. A name such as ~photo.png is left as it is."""
    try:
        return path.expanduser()
    except RuntimeError:  # no such user
        return path
