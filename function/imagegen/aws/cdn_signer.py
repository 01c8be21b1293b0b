"""Signed URLs of the CloudFront distribution in front of the bucket (docs/delivery.md).

CloudFront checks the signature and the expiry of every request before it looks into its cache. So nothing is served
after its URL has expired, however long it is cached.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from botocore.config import Config
from botocore.signers import CloudFrontSigner
from botocore.utils import percent_encode

from imagegen.aws import clients
from imagegen.errors import DeliveryUnavailable, StorageUnavailable

_CONFIG: Final = Config(
    # Once in a process. A request waits for it, and has 28 s in total.
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=1,
    read_timeout=2,
)


@dataclass(frozen=True)
class CdnKey:
    """The key that signs: its id in CloudFront, its public half, and where its private half is.

    `public_key` is the SubjectPublicKeyInfo in base64, in lines that are separated by commas. `parameter` names the SSM
    parameter with the private key in PEM.
    """

    id: str
    public_key: str
    parameter: str


class CdnSigner:
    """Signs URLs of one distribution. Reads the private key once; after a failure, the next call tries again."""

    def __init__(self, domain: str, key: CdnKey):
        self._domain = domain
        self._key = key

    def require_key(self) -> None:
        """Raise DeliveryUnavailable if nothing can be signed."""
        _ = self._signer

    def sign(self, key: str, expires_at: datetime) -> str:
        """Return a URL for the object that is valid until `expires_at`, in whole seconds. Raises DeliveryUnavailable.

        Its policy is a canned one, which covers this one URL: a caller cannot change it to that of another image.
        """
        url = f"https://{self._domain}/{percent_encode(key, safe='/~')}"
        # Without the parameter, CloudFront expects SHA-1. It is no part of what is signed.
        return f"{self._signer.generate_presigned_url(url, date_less_than=expires_at)}&Hash-Algorithm=SHA256"

    @cached_property
    def _signer(self) -> CloudFrontSigner:
        try:
            return CloudFrontSigner(self._key.id, _signing_with(self._private_key(), self._key.public_key))
        except ValueError as error:
            raise DeliveryUnavailable.because(f"SSM: {self._key.parameter} {error}") from error

    def _private_key(self) -> bytes:
        client: Any = clients.client("ssm", _CONFIG)
        try:
            with clients.translated("SSM"):
                value: str = client.get_parameter(Name=self._key.parameter, WithDecryption=True)["Parameter"]["Value"]
        except StorageUnavailable as error:
            raise DeliveryUnavailable.because(f"{error.private} {self._key.parameter}") from error
        return value.encode()


def _signing_with(pem: bytes, public_key: str) -> Callable[[bytes], bytes]:
    """Return a function that signs with the private key.

    Raises ValueError if CloudFront would refuse its signatures. Its text contains nothing of the key.
    """
    # Not at import: a deployment without a distribution needs none of it.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is no private key in PEM without a passphrase") from None
    own = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own != base64.b64decode(public_key.replace(",", "")):
        raise ValueError("is not the private key of the public key that the deployment signs with")
    match key:
        case ec.EllipticCurvePrivateKey(curve=ec.SECP256R1()):
            return lambda message: key.sign(message, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPrivateKey(key_size=2048):
            return lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    raise ValueError(
        "is a key that CloudFront does not accept: create an ECDSA key on P-256, or an RSA key of 2048 bits"
    )
