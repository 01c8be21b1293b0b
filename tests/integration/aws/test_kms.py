"""The signing key in KMS: what it signs is valid, and what it refuses is an error that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from moto import mock_aws

from imagegen.aws.kms import KmsKey
from imagegen.errors import ProvenanceUnavailable
from imagegen.provenance.report import report
from imagegen.provenance.signing import ContentCredentials
from tests.support.credentials import DEMO, anchors, authority, pictures
from tools.local.process import ACCESS_KEY, Output, free_port, ministack
from tools.local.signing_certificate import certify

PICTURES = pictures()


@pytest.fixture
def arn() -> Iterator[str]:
    with mock_aws():
        created = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
        yield created["KeyMetadata"]["Arn"]


def certificate(arn: str) -> bytes:
    """Return the chain that an authority issues for the key in KMS."""
    key = load_der_public_key(boto3.client("kms").get_public_key(KeyId=arn)["PublicKey"])
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return certify(authority(), "A key in KMS", key).public_bytes(Encoding.PEM) + authority().pem


def test_a_picture_that_kms_signs_is_trusted(arn: str) -> None:
    chain = certificate(arn)
    signing = ContentCredentials(KmsKey(arn), lambda: chain)
    for media_type, data in PICTURES.items():
        assert report(signing.sign(data, media_type, DEMO), media_type, anchors()).state == "trusted"


def test_a_key_of_another_certificate_is_refused(arn: str) -> None:
    other = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    signing = ContentCredentials(KmsKey(arn), lambda: certificate(other))
    with pytest.raises(ProvenanceUnavailable) as refusal:
        _ = signing.identity
    assert "not that of the certificate" in refusal.value.private


@pytest.mark.parametrize(
    ("data", "message", "kind"),
    [(b"x" * 4096, b"x" * 4096, "RAW"), (b"x" * 4097, hashlib.sha256(b"x" * 4097).digest(), "DIGEST")],
)
def test_kms_hashes_no_more_than_it_takes(data: bytes, message: bytes, kind: str) -> None:
    """Certificates are a part of what is signed; neither moto nor MiniStack has the limit of 4,096 bytes."""
    arn = "arn:aws:kms:us-east-1:111122223333:key/a"
    key = KmsKey(arn)
    asked = {"KeyId": arn, "SigningAlgorithm": "ECDSA_SHA_256", "Message": message, "MessageType": kind}
    with Stubber(key._client) as stubbed:
        stubbed.add_response("sign", {"Signature": b"signature"}, asked)
        assert key.sign(data) == b"signature"


def test_a_missing_key_is_an_error_with_its_cause_for_the_log_only(arn: str) -> None:
    missing = arn.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
    with pytest.raises(ProvenanceUnavailable) as refusal:
        KmsKey(missing).sign(b"data")
    assert refusal.value.private == "KMS: NotFoundException NotFoundException"
    assert "KMS" not in refusal.value.detail


def test_a_key_that_is_disabled_signs_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On MiniStack: moto's disabled keys sign."""
    with ministack(free_port(), tmp_path / "stack", Output(tmp_path / "log")) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", running.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials of earlier calls
        kms = boto3.client("kms")
        arn = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        chain = certificate(arn)
        signing = ContentCredentials(KmsKey(arn), lambda: chain)
        signed = signing.sign(PICTURES["image/png"], "image/png", DEMO)
        assert report(signed, "image/png", anchors()).state == "trusted"
        kms.disable_key(KeyId=arn)
        with pytest.raises(ProvenanceUnavailable) as refusal:
            signing.sign(PICTURES["image/png"], "image/png", DEMO)
        assert refusal.value.private == "KMS: DisabledException DisabledException"


def test_a_key_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    with pytest.raises(ProvenanceUnavailable) as refusal:
        KmsKey("arn:aws:kms:us-east-1:123456789012:key/1").sign(b"data")
    assert refusal.value.private.startswith("KMS: ")
