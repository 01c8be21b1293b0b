"""What must come of a prepared folder with a damaged file, whichever engine opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imagegen import manifest
from imagegen.errors import ModelUnavailable


def assert_refused(
    open_folder: Callable[[Path], object], folder: Path, file: str, content: bytes | None, *, listed: bool
) -> None:
    """Give the file other content, or none at all; `listed` has the manifest agree, so that the engine must notice."""
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    if listed:
        manifest.write(folder)
    with pytest.raises(ModelUnavailable) as caught:
        open_folder(folder)
    assert str(folder) in caught.value.private
    if not listed:
        assert file in caught.value.private
