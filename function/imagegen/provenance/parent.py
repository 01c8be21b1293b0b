"""The picture that an edit began with, as an ingredient of the result."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from imagegen.errors import ImageInvalid
from imagegen.pictures.inspection import inspect
from imagegen.provenance.manifest import MAX_PARENT_BYTES, MEDIA_TYPES, MediaType, ingredient
from imagegen.provenance.report import report


@dataclass(frozen=True)
class Parent:
    """An ingredient. `file` has its own credentials, which go into the result; None if it has none that hold."""

    ingredient: dict[str, str]
    media_type: MediaType
    file: bytes | None

    @classmethod
    def of(cls, data: bytes) -> Parent:
        """Return the ingredient of a file that was decoded before. Raises what `inspect` raises."""
        stripped = inspect(data)
        media_type = MEDIA_TYPES[stripped.format]
        kept = len(data) - len(stripped.data) <= MAX_PARENT_BYTES and _holds(data, media_type)
        return cls(ingredient(media_type, f"xmp:iid:{uuid4()}"), media_type, data if kept else None)


def _holds(data: bytes, media_type: MediaType) -> bool:
    """Return whether the file's credentials are its own and unchanged, with any signer."""
    try:
        return report(data, media_type).state == "valid"
    except ImageInvalid:  # the decoder has read it, so only its parts around the picture are damaged
        return False
