"""Damages a prepared folder and checks that an engine refuses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imagegen.catalog import manifest
from imagegen.errors import ModelUnavailable


def assert_damage_is_found(
    open_folder: Callable[[Path], object], folder: Path, file: str, content: bytes | None, *, update_manifest: bool
) -> None:
    """Replace the file's content, or delete the file if `content` is None, and expect ModelUnavailable.

    With `update_manifest`, the damaged file matches the manifest, so the engine itself must find the damage.
    """
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    if update_manifest:
        manifest.write(folder)
    with pytest.raises(ModelUnavailable) as caught:
        open_folder(folder)
    assert str(folder) in caught.value.private
    if not update_manifest:
        assert file in caught.value.private
