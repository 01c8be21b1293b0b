"""Signs the files of pictures with content credentials (C2PA 2.2), as the last step before they are stored.

Covered: the file tells which model and deployment made it, and that it is unchanged. Not covered: what happens to a
file afterwards. Most services that re-encode or resize a picture drop its credentials.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from c2pa import Builder, C2paError, C2paSigningAlg, Context, Signer
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from imagegen.errors import ProvenanceUnavailable
from imagegen.provenance.bounded_file import BoundedFile
from imagegen.provenance.certificate_chain import CertificateChain
from imagegen.provenance.manifest import MediaType, Origin, definition
from imagegen.provenance.parent import Parent
from imagegen.provenance.ports import SigningKey
from imagegen.provenance.report import OFFLINE

_SETTINGS: Final = OFFLINE | {"builder": {"thumbnail": {"enabled": False}}}
"""Thumbnails would take 50 ms and 80 to 190 kB for a picture of 512 pixels."""
_UNVERIFIED: Final = _SETTINGS | {"verify": OFFLINE["verify"] | {"verify_after_sign": False}}
"""For all pictures but a chain's first. The library would read and hash each signed file once more: 2 ms for 2 MB."""
_PROBE: Final = b"imagegen: a signature that tells whether the key is that of the certificate"
_SCALAR: Final = 32
"""Bytes of each half of a signature on P-256."""


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class ContentCredentials:
    """Implements generation.ports.Credentials. Thread-safe."""

    def __init__(
        self,
        key: SigningKey,
        read_chain: Callable[[], bytes],
        *,
        on_ready: Callable[[CertificateChain], None] = lambda _: None,
        on_failure: Callable[[ProvenanceUnavailable], None] = lambda _: None,
        clock: Callable[[], datetime] = now,
    ):
        """`read_chain` returns the certificates in PEM, the signer's first, or raises a ServiceError.

        `on_ready` gets the certificates when they are first used, `on_failure` each error.
        """
        self._key = key
        self._read_chain = read_chain
        self._on_ready = on_ready
        self._on_failure = on_failure
        self._clock = clock
        self._chain: CertificateChain | None = None
        self._accepted: CertificateChain | None = None
        """The chain of which the library has verified a signed picture."""
        self._lock = threading.Lock()

    def chain(self) -> CertificateChain:
        """Return the certificates, once they and the key are known to fit. Raises ProvenanceUnavailable."""
        with self._lock:
            if self._chain is None or self._chain.expires_at <= self._clock():
                self._chain = None
                self._chain = self._checked_chain()
            return self._chain

    @property
    def identity(self) -> str:
        """The certificate's fingerprint."""
        return self.chain().fingerprint

    def sign(self, body: bytes, media_type: MediaType, origin: Origin) -> bytes:
        """Return the file with credentials. The picture in it is the same, to the bit."""
        chain, failures = self.chain(), list[ProvenanceUnavailable]()

        def sign(data: bytes) -> bytes:
            try:
                signature = self._key.sign(data)
                chain.require_signed(data, signature)
                return _raw(signature)
            except ProvenanceUnavailable as error:  # the library would replace it by one of its own
                failures.append(error)
                raise

        try:
            with Signer.from_callback(sign, C2paSigningAlg.ES256, chain.pem, None) as signer:
                signed = self._signed(signer, body, media_type, origin, accepted=chain is self._accepted)
        except C2paError as error:
            with self._lock:
                self._chain = None  # the next picture looks at the certificates again
            raise self._noted(failures[0] if failures else ProvenanceUnavailable.because(str(error))) from error
        self._accepted = chain
        return signed

    def _signed(self, signer: Signer, body: bytes, media_type: MediaType, origin: Origin, *, accepted: bool) -> bytes:
        claim, signed = definition(origin, self._clock()), io.BytesIO()
        parent = None if origin.parent is None else Parent.of(origin.parent)
        if parent is not None and parent.file is None:
            claim["ingredients"] = [parent.ingredient]
        settings = _UNVERIFIED if accepted else _SETTINGS
        with Context.from_dict(settings) as context, Builder(claim, context) as builder:
            if parent is not None and parent.file is not None:
                builder.add_ingredient(parent.ingredient, parent.media_type, BoundedFile(parent.file))
            builder.sign(signer, media_type, io.BytesIO(body), signed)
        return signed.getvalue()

    def _checked_chain(self) -> CertificateChain:
        """A signature made now tells a denied key, and one of another certificate, before any picture is drawn."""
        try:
            chain = CertificateChain.of(self._read_chain(), self._clock())
            chain.require_signed(_PROBE, self._key.sign(_PROBE))
        except ProvenanceUnavailable as error:
            raise self._noted(error) from error.__cause__
        self._on_ready(chain)
        return chain

    def _noted(self, error: ProvenanceUnavailable) -> ProvenanceUnavailable:
        self._on_failure(error)
        return error


def _raw(der: bytes) -> bytes:
    """Return a DER signature as C2PA has it: r and s, 32 bytes each (RFC 9053, 2.1)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(_SCALAR, "big") + s.to_bytes(_SCALAR, "big")
