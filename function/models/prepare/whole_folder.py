"""Builds a folder that is complete or absent."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield a new, empty folder that takes the place of `folder` when the block ends without an exception."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.parent.glob(f".{folder.name}-*"):  # left by a killed run
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        built = Path(temporary) / "built"
        built.mkdir()
        yield built
        _make_world_readable(built)
        if folder.exists():
            folder.rename(Path(temporary) / "outdated")
        built.rename(folder)


def _make_world_readable(folder: Path) -> None:
    """safetensors creates files with mode 0600, but Lambda runs the image as a different user."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
