"""A signing key in KMS, which never leaves it."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, Final

from botocore.config import Config

from imagegen.aws import clients
from imagegen.errors import ProvenanceUnavailable, StorageUnavailable

_CONFIG: Final = Config(
    # Once for each picture. KMS answers within tens of milliseconds, and a request has 28 s in total.
    retries={"mode": "standard", "total_max_attempts": 3},
    connect_timeout=1,
    read_timeout=2,
)


_LONGEST_RAW: Final = 4096
"""Bytes of the longest message that KMS hashes itself. What is signed includes the whole chain of certificates."""


class KmsKey:
    """Implements provenance.ports.SigningKey with an asymmetric key of the spec ECC_NIST_P256."""

    def __init__(self, arn: str):
        self._arn = arn

    @cached_property
    def _client(self) -> Any:
        return clients.client("kms", _CONFIG)

    def sign(self, data: bytes) -> bytes:
        """Return the signature. Needs the permission kms:Sign only."""
        message = {"Message": data, "MessageType": "RAW"}
        if len(data) > _LONGEST_RAW:
            message = {"Message": hashlib.sha256(data).digest(), "MessageType": "DIGEST"}
        request = {"KeyId": self._arn, "SigningAlgorithm": "ECDSA_SHA_256"} | message
        try:
            with clients.translated("KMS"):
                signature: bytes = self._client.sign(**request)["Signature"]
        except StorageUnavailable as error:
            raise ProvenanceUnavailable.because(error.private) from error
        return signature
