"""Keys for signed URLs of CloudFront, and CloudFront's check of such a URL."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PARAMETERS: Final = {"Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm"}


class Refused(Exception):
    """CloudFront would respond 403."""


@dataclass(frozen=True)
class KeyPair:
    """A key pair as an owner makes it."""

    id: str
    private: PrivateKey

    @property
    def pem(self) -> str:
        """The private key as Parameter Store has it."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def public(self) -> str:
        """The value of the template's parameter, made as docs/delivery.md does it."""
        pem = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return ",".join(line for line in pem.splitlines() if not line.startswith("-"))


@cache
def elliptic(name: str = "KELLIPTIC") -> KeyPair:
    """Return a key of its own for each name."""
    return KeyPair(name, ec.generate_private_key(ec.SECP256R1()))


@cache
def rsa_2048() -> KeyPair:
    """Return an RSA key, always the same one: making one takes a second."""
    return KeyPair("KRSA", rsa.generate_private_key(65537, 2048))


def opened(url: str, keys: dict[str, KeyPair], now: float) -> str:
    """Return the path that the URL opens at `now`, in epoch seconds, with these keys in the key group.

    Checks what the CloudFront Developer Guide says of URLs with a canned policy. Raises Refused.
    """
    base, _, query = url.partition("?")
    values = dict(parse_qsl(query, strict_parsing=True))
    if values.keys() != PARAMETERS or values["Hash-Algorithm"] != "SHA256" or values["Key-Pair-Id"] not in keys:
        raise Refused(f"parameters of {url}")
    policy = json.dumps(
        {"Statement": [{"Resource": base, "Condition": {"DateLessThan": {"AWS:EpochTime": int(values["Expires"])}}}]},
        separators=(",", ":"),
    )
    signature = base64.b64decode(values["Signature"].replace("-", "+").replace("_", "=").replace("~", "/"))
    _verify(keys[values["Key-Pair-Id"]].private, signature, policy.encode())
    if now >= int(values["Expires"]):
        raise Refused("expired")
    return base


def _verify(key: PrivateKey, signature: bytes, policy: bytes) -> None:
    public = key.public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, policy, padding.PKCS1v15(), SHA256())
        else:
            public.verify(signature, policy, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise Refused("signature") from None
