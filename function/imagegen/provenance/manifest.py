"""What the content credentials of a picture say (C2PA 2.2): which model made it, when, and from which picture. Pure.

Nothing in it tells one request or tenant from another: no prompt, no seed, no names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from imagegen import __version__
from imagegen.pictures.stripped import Format

PRODUCT: Final = "Stable Diffusion on Lambda"
ACTIONS: Final = "c2pa.actions.v2"
_SOURCES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED: Final = f"{_SOURCES}trainedAlgorithmicMedia"
EDITED: Final = f"{_SOURCES}compositeWithTrainedAlgorithmicMedia"
PARENT: Final = "parent"
"""Name of the ingredient within a manifest's definition. The signed manifest replaces it by a reference."""
MAX_PARENT_BYTES: Final = 256 * 1024
"""Of a parent's own credentials and other metadata. Larger ones are left out: each edit of an edit adds its own."""
MediaType = Literal["image/png", "image/jpeg", "image/webp"]
MEDIA_TYPES: Final[dict[Format, MediaType]] = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Origin:
    """How a picture was made."""

    model: str
    """Registry id."""
    revision: str
    parent: bytes | None = field(default=None, repr=False)
    """The file that an edit began with: PNG, JPEG or WebP, as its caller sent it."""


def definition(origin: Origin, now: datetime) -> dict[str, Any]:
    """Return the manifest of a picture that was made at `now` (UTC)."""
    agent = {"name": origin.model, "version": origin.revision}
    made = {"when": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "softwareAgent": agent}
    if origin.parent is None:
        actions = [{"action": "c2pa.created", "digitalSourceType": GENERATED, **made}]
    else:
        opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}
        actions = [opened, {"action": "c2pa.edited", "digitalSourceType": EDITED, **made}]
    return {
        "claim_generator_info": [{"name": PRODUCT, "version": __version__}],
        "assertions": [{"label": ACTIONS, "data": {"actions": actions}}],
    }


def ingredient(media_type: MediaType, instance_id: str) -> dict[str, str]:
    """Return the parent of an edit. Its title is not the caller's file name."""
    return {
        "title": "input",
        "format": media_type,
        "relationship": "parentOf",
        "label": PARENT,
        "instance_id": instance_id,
    }
