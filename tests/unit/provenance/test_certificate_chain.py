from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from imagegen.errors import ProvenanceUnavailable
from imagegen.provenance.certificate_chain import CertificateChain
from tests.support.credentials import authority, chain, signer
from tools.local.signing_certificate import authority_of, certify, signer_of

NOW = datetime.now(UTC)


def reason(pem: bytes, now: datetime = NOW) -> str:
    with pytest.raises(ProvenanceUnavailable) as refusal:
        CertificateChain.of(pem, now)
    return refusal.value.private


def test_a_chain_is_named_by_its_signer_and_ends_with_its_first_certificate() -> None:
    brief = signer_of(authority(), "Brief", lasts=timedelta(days=3))
    parsed = CertificateChain.of(chain(brief), NOW)
    assert parsed.expires_at == brief.certificate.not_valid_after_utc
    assert parsed.fingerprint != CertificateChain.of(chain(), NOW).fingerprint
    assert len(parsed.fingerprint) == 64


@pytest.mark.parametrize("purpose", ["1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1"])
def test_each_purpose_of_the_specification_is_accepted(purpose: str) -> None:
    CertificateChain.of(signer_of(authority(), "Signer", purpose=ObjectIdentifier(purpose)).pem, NOW)


def test_text_around_the_certificates_is_dropped() -> None:
    parsed = CertificateChain.of(b"subject=Signer\n" + chain(), NOW)
    assert parsed.pem.encode() == chain()


@pytest.mark.parametrize(
    ("pem", "expected"),
    [
        (b"", "no PEM"),
        (b"\x30\x82\x01", "no PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no PEM"),
        (signer().key_pem, "no PEM"),
        (authority().pem + signer().pem, "was not issued by the next certificate"),
        (signer().pem + authority_of("Tests' authority").pem, "was not issued by the next certificate"),
        (authority().pem, "lacks an extension"),
        (signer().pem + authority().pem * 5, "more than 5"),
        (signer_of(authority(), "Web", purpose=ExtendedKeyUsageOID.SERVER_AUTH).pem, "is not for signing"),
        (signer_of(authority(), "Next year", starts=timedelta(days=3)).pem, "valid from"),
    ],
)
def test_a_chain_that_cannot_sign_is_refused_with_the_reason(pem: bytes, expected: str) -> None:
    assert expected in reason(pem)


def test_a_key_on_another_curve_is_refused() -> None:
    other = certify(authority(), "P-384", ec.generate_private_key(ec.SECP384R1()).public_key())
    assert "not on the curve P-256" in reason(other.public_bytes(Encoding.PEM))


def test_a_chain_of_which_a_later_certificate_has_expired_is_refused() -> None:
    assert "valid from" in reason(chain(), authority().certificate.not_valid_after_utc + timedelta(seconds=1))
