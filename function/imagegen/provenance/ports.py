"""What content credentials need."""

from __future__ import annotations

from typing import Protocol


class SigningKey(Protocol):
    """A private key on the curve P-256. Implementations never reveal it."""

    def sign(self, data: bytes) -> bytes:
        """Return the ECDSA signature with SHA-256 of at most 4,096 bytes, in DER. Raises ProvenanceUnavailable."""
