"""`make signing-key` and `make signing-certificate`, on moto's KMS and S3."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from moto import mock_aws

from imagegen.aws.kms import KmsKey
from imagegen.errors import ProvenanceUnavailable
from imagegen.provenance.report import report
from imagegen.provenance.signing import ContentCredentials
from imagegen.settings import Settings
from imagegen.wiring import Container
from tests.support.credentials import DEMO, anchors, authority, pictures, signer
from tools.deploy.signing_key import CHAIN_KEY, create_key, install, request_certificate
from tools.local.signing_certificate import certify

BUCKET = "images-bucket"
PICTURE = pictures()["image/png"]


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield


def issued(request: bytes) -> bytes:
    """Return the chain that an authority sends back for a certificate signing request."""
    parsed = x509.load_pem_x509_csr(request)
    assert parsed.is_signature_valid
    key = parsed.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return certify(authority(), "Example Studios", key).public_bytes(Encoding.PEM) + authority().pem


def test_from_a_new_key_to_a_signed_picture() -> None:
    kms, s3 = boto3.client("kms"), boto3.client("s3")
    arn = create_key(kms, "imagegen-prod")
    request = request_certificate(kms, arn, "Example Studios")
    names = {each.rfc4514_attribute_name: each.value for each in x509.load_pem_x509_csr(request).subject}
    assert names == {"O": "Example Studios", "CN": "Example Studios, Stable Diffusion on Lambda"}
    install(s3, BUCKET, arn, issued(request))
    deployed = Container(Settings(bucket_name=BUCKET, content_credentials_key=arn))
    assert isinstance(deployed.content_credentials, ContentCredentials)
    signed = deployed.content_credentials.sign(PICTURE, "image/png", DEMO)
    assert report(signed, "image/png", anchors()).state == "trusted"
    assert deployed.verifier.check(signed).state == "valid"


def test_a_deployment_without_its_chain_signs_nothing() -> None:
    deployed = Container(
        Settings(bucket_name=BUCKET, content_credentials_key=create_key(boto3.client("kms"), "imagegen-prod"))
    )
    assert deployed.content_credentials is not None
    with pytest.raises(ProvenanceUnavailable) as refusal:
        _ = deployed.content_credentials.identity
    assert refusal.value.private == f"the certificate chain {CHAIN_KEY} does not exist"


def test_a_chain_of_another_key_is_not_stored() -> None:
    arn = create_key(boto3.client("kms"), "imagegen-prod")
    with pytest.raises(ProvenanceUnavailable) as refusal:
        install(boto3.client("s3"), BUCKET, arn, signer().pem + authority().pem)
    assert "not that of the certificate" in refusal.value.private
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=BUCKET)


def test_another_kind_of_key_is_refused() -> None:
    kms = boto3.client("kms")
    other = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(ValueError, match="ECC_NIST_P256"):
        request_certificate(kms, other, "Example Studios")
    assert len(KmsKey(create_key(kms, "imagegen-prod")).sign(b"data")) > 60
