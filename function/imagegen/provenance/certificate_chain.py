"""The certificates that go into each picture's credentials, checked before the first picture is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from imagegen.errors import ProvenanceUnavailable

PURPOSES: Final = frozenset(
    {
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # document signing (RFC 9336)
        ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),  # C2PA claim signing
    }
)
"""Extended key usages of which a signer's certificate has at least one (C2PA 2.2, 14.5.1)."""
MAX_CERTIFICATES: Final = 5
"""Each adds about 1 kB to every picture."""


@dataclass(frozen=True)
class CertificateChain:
    """The signer's certificate, and those that lead to its authority, each issued by the next."""

    pem: str
    signer: x509.Certificate
    key: ec.EllipticCurvePublicKey
    """The signer's."""
    expires_at: datetime
    """When the first of them expires (UTC)."""

    @classmethod
    def of(cls, pem: bytes, now: datetime) -> CertificateChain:
        """Return the chain, the signer's certificate first.

        Raises ProvenanceUnavailable unless each certificate is valid now and issued by the next one, and the first is
        for signing claims with ECDSA on P-256.
        """
        certificates = _parsed(pem)
        for each in certificates:
            _require_valid(each, now)
        for issued, issuer in pairwise(certificates):
            _require_issued(issued, issuer)
        _require_purpose(certificates[0])
        text = "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)
        expires_at = min(each.not_valid_after_utc for each in certificates)
        return cls(text, certificates[0], _key_of(certificates[0]), expires_at)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the signer's certificate, in hex."""
        return self.signer.fingerprint(SHA256()).hex()

    def require_signed(self, data: bytes, signature: bytes) -> None:
        """Raise ProvenanceUnavailable unless the key of the signer's certificate made the DER signature."""
        try:
            self.key.verify(signature, data, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise ProvenanceUnavailable.because("the signing key is not that of the certificate") from None


def _parsed(pem: bytes) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ProvenanceUnavailable.because(f"the certificate chain is no PEM: {error}") from error
    if len(certificates) > MAX_CERTIFICATES:
        raise ProvenanceUnavailable.because(f"the certificate chain has more than {MAX_CERTIFICATES} certificates")
    return certificates


def _require_valid(certificate: x509.Certificate, now: datetime) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start <= now <= end:
        raise ProvenanceUnavailable.because(f"a certificate is valid from {start} to {end} only: {_name(certificate)}")


def _require_issued(issued: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        reason = f"{_name(issued)} was not issued by the next certificate, {_name(issuer)}"
        raise ProvenanceUnavailable.because(reason) from error


def _key_of(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise ProvenanceUnavailable.because("the first certificate's key is not on the curve P-256")
    return key


def _require_purpose(certificate: x509.Certificate) -> None:
    """Raise ProvenanceUnavailable unless a reader of C2PA would accept the certificate as a signer's."""
    try:
        extensions = certificate.extensions
        purposes = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        signs = extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except (x509.ExtensionNotFound, ValueError) as error:
        raise ProvenanceUnavailable.because(f"the first certificate lacks an extension: {error}") from error
    if not (signs and purposes & PURPOSES):
        raise ProvenanceUnavailable.because("the first certificate is not for signing e-mail, documents or claims")


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()
