"""Certificates for content credentials in development: an authority of this machine, and a signer that it certifies.

No reader trusts them, and `POST /verify` of the local stack calls what they sign `valid`, never `trusted`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from imagegen_cli.whole_file import whole_file

ORGANIZATION: Final = "Development, not trusted"
_VALID: Final = timedelta(days=365)
_RENEW_BEFORE: Final = timedelta(days=30)
_CLOCKS_DIFFER: Final = timedelta(days=1)
EMAIL: Final = ExtendedKeyUsageOID.EMAIL_PROTECTION


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM, without a password."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Files:
    """What signs on this machine."""

    key: Path
    chain: Path
    """The signer's certificate and its authority's."""


def development_files(folder: Path) -> Files:
    """Return the files in `folder`; make new ones if they are absent or expire within 30 days."""
    files = Files(folder / "key.pem", folder / "certificate-chain.pem")
    if not _lasts(files):
        folder.mkdir(parents=True, exist_ok=True)
        authority = authority_of("Development authority")
        signer = signer_of(authority, "Stable Diffusion on Lambda, development")
        for path, content in ((files.key, signer.key_pem), (files.chain, signer.pem + authority.pem)):
            with whole_file(path, mode=0o600) as file:
                file.write(content)
    return files


def authority_of(name: str) -> Identity:
    """Return a new authority that has certified itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    return Identity(_certificate(subject, key.public_key(), subject, key, None, timedelta(0), _VALID), key)


def signer_of(
    authority: Identity,
    name: str,
    *,
    starts: timedelta = timedelta(0),
    lasts: timedelta = _VALID,
    purpose: ObjectIdentifier = EMAIL,
) -> Identity:
    """Return a new signer. `starts` and `lasts` count from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Identity(certify(authority, name, key.public_key(), starts=starts, lasts=lasts, purpose=purpose), key)


def certify(
    authority: Identity,
    name: str,
    key: ec.EllipticCurvePublicKey,
    *,
    starts: timedelta = timedelta(0),
    lasts: timedelta = _VALID,
    purpose: ObjectIdentifier = EMAIL,
) -> x509.Certificate:
    """Return a signer's certificate for a key that is somewhere else, such as in KMS."""
    issuer = authority.certificate.subject
    return _certificate(_subject(name), key, issuer, authority.key, purpose, starts, lasts)


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    purpose: ObjectIdentifier | None,
    starts: timedelta,
    lasts: timedelta,
) -> x509.Certificate:
    """Return a certificate with the extensions that C2PA asks for (2.2, 14.5.1). Without a purpose: an authority's."""
    is_authority, now = purpose is None, datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts - _CLOCKS_DIFFER)
        .not_valid_after(now + lasts)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(_key_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(issuer_key, SHA256())


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
        ]
    )


def _lasts(files: Files) -> bool:
    try:
        certificates = x509.load_pem_x509_certificates(files.chain.read_bytes())
    except (OSError, ValueError):
        return False
    return files.key.exists() and all(
        each.not_valid_after_utc > datetime.now(UTC) + _RENEW_BEFORE for each in certificates
    )
