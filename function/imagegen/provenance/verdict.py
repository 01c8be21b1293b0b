"""What a check of a picture's content credentials finds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["trusted", "valid", "invalid", "not_present"]


@dataclass(frozen=True)
class Report:
    """The verdict. What the picture says is absent unless it is valid.

    `trusted`: unchanged, and signed with a certificate of a trusted authority. `valid`: unchanged since it was signed
    with any other certificate. `invalid`: changed since, or signed wrongly. `not_present`: no credentials in the file.
    """

    state: State
    issuer: str | None = None
    """Organization in the signer's certificate."""
    model: str | None = None
    generated_at: datetime | None = None
    """In UTC, as the signer claims it."""
