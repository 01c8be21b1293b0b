"""A signing key in a file: for development, because anyone who can read the file can sign as its owner."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from imagegen.errors import ProvenanceUnavailable


class LocalKey:
    """Implements provenance.ports.SigningKey with a PEM file without a password."""

    def __init__(self, path: Path):
        self._path = path

    def sign(self, data: bytes) -> bytes:
        """Return the signature. The file is read each time, so a new key needs no restart."""
        try:
            key = load_pem_private_key(self._path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:  # TypeError: the key has a password
            raise ProvenanceUnavailable.because(f"{self._path}: {type(error).__name__}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ProvenanceUnavailable.because(f"{self._path} is no key of an elliptic curve")
        return key.sign(data, ec.ECDSA(SHA256()))
