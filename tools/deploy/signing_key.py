"""Prepare a stack to sign pictures (`make signing-key`, `make signing-certificate`): docs/provenance.md.

The key stays in KMS, which signs the certificate signing request, too.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import NameOID

from imagegen.aws.kms import KmsKey
from imagegen.errors import ServiceError
from imagegen.provenance.certificate_chain import CertificateChain
from imagegen.provenance.manifest import PRODUCT
from imagegen.provenance.signing import ContentCredentials
from imagegen.settings import Settings
from tools.deploy import stack

CHAIN_KEY: Final = str(Settings.model_fields["content_credentials_chain"].default)


class KmsPrivateKey(ec.EllipticCurvePrivateKey):
    """A key in KMS for builders of X.509, which only sign with it. The base class is abstract in more than that."""

    def __init__(self, arn: str, kms: Any):
        self._key = KmsKey(arn)
        public = load_der_public_key(kms.get_public_key(KeyId=arn)["PublicKey"])
        if not (isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)):
            raise ValueError("the key must have the spec ECC_NIST_P256 and the usage SIGN_VERIFY")
        self._public = public

    def sign(self, data: Any, _: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return KMS's signature."""
        return self._key.sign(bytes(data))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Bits."""
        return self._public.key_size

    def exchange(self, *_: Any) -> bytes:
        """Not a use of this key."""
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """KMS reveals none."""
        raise NotImplementedError

    def private_bytes(self, *_: Any) -> bytes:
        """KMS reveals none."""
        raise NotImplementedError

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: Any) -> Self:
        return self


def create_key(kms: Any, stack_name: str) -> str:
    """Return the ARN of a new key, 1 USD a month."""
    created = kms.create_key(
        KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Description=f"Content credentials of {stack_name}"
    )
    return str(created["KeyMetadata"]["Arn"])


def request_certificate(kms: Any, arn: str, organization: str) -> bytes:
    """Return a certificate signing request in PEM for the key. Raises ValueError for another kind of key."""
    names = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, f"{organization}, {PRODUCT}"[:64])]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(KmsPrivateKey(arn, kms), SHA256()).public_bytes(Encoding.PEM)


def install(s3: Any, bucket: str, arn: str, pem: bytes) -> CertificateChain:
    """Check the chain with a signature of the key, store it in the bucket, and return it.

    Raises ProvenanceUnavailable, whose `private` has the reason.
    """
    chain = ContentCredentials(KmsKey(arn), lambda: pem).chain()
    s3.put_object(Bucket=bucket, Key=CHAIN_KEY, Body=chain.pem.encode(), ContentType="application/x-pem-file")
    return chain


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    parser.add_argument("--key-arn", help="an existing key")
    parser.add_argument("--organization", help="shown by readers as the issuer")
    parser.add_argument("--chain", type=Path, help="the certificates of the key in PEM, the signer's first")
    arguments = parser.parse_args()
    try:
        return _install(arguments) if arguments.chain else _request(arguments)
    except ServiceError as error:
        print(error.private or error.detail, file=sys.stderr)
    except (OSError, ValueError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
    return 1


def _request(arguments: argparse.Namespace) -> int:
    if not arguments.organization:
        raise ValueError('name your organization: make signing-key ENV=prod ORGANIZATION="Example Studios"')
    kms = boto3.client("kms")
    arn = arguments.key_arn or create_key(kms, arguments.stack_name)
    print(f"KEY_ARN={arn}", flush=True)
    file = Path(".local") / f"{arguments.stack_name}.csr"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(request_certificate(kms, arn, arguments.organization))
    print(f"Send {file} to an authority; then `make signing-certificate` with this KEY_ARN and its chain.")
    return 0


def _install(arguments: argparse.Namespace) -> int:
    if not arguments.key_arn:
        raise ValueError("name the key: KEY_ARN=arn:aws:kms:...")
    bucket = stack.outputs(boto3.client("cloudformation"), arguments.stack_name)["BucketName"]
    chain = install(boto3.client("s3"), bucket, arguments.key_arn, arguments.chain.read_bytes())
    days = (chain.expires_at - datetime.now(UTC)).days
    print(f"Stored s3://{bucket}/{CHAIN_KEY}, valid for {days} days.")
    print(f"Set ContentCredentialsKeyArn={arguments.key_arn} in samconfig.toml and run `make deploy`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
