"""The text of an API key, and the digest under which it is stored. Pure.

A key is `imagegen_`, 40 random letters and digits (238 bits) and a checksum of 6. Secret scanners recognize the prefix;
the checksum rejects a mistyped key without a look-up. Keys that API Gateway made for earlier versions stay valid. They
have no form of their own: 20 to 128 visible ASCII characters.

Not covered: a short key that an owner chose in API Gateway. Anyone who can read the table can guess it from its digest.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

from imagegen.errors import InvalidCredentials

PREFIX: Final = "imagegen_"
MAX_LENGTH: Final = 128
"""Characters of the longest key, which is one that API Gateway stores."""

_ALPHABET: Final = string.digits + string.ascii_letters
_RANDOM: Final = 40
_CHECKSUM: Final = 6
"""Digits of base 62 that CRC-32 needs."""
FORM: Final = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_RANDOM}}})([0-9A-Za-z]{{{_CHECKSUM}}})")
_OF_API_GATEWAY: Final = re.compile(rf"[\x21-\x7e]{{20,{MAX_LENGTH}}}")
_DOMAIN: Final = b"imagegen api key\0"
"""Makes the digest differ from a plain SHA-256, whose first digits name the tenants of earlier keys, also in URLs."""


def new() -> str:
    """Return a new random key. It is shown once: only its digest is stored."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return f"{PREFIX}{text}{_checksum(text)}"


def digest(key: str) -> str:
    """Return the 64 hex digits under which the key is stored, from which it cannot be recovered.

    Raises InvalidCredentials if the text cannot be a key.
    """
    if not _is_well_formed(key):
        raise InvalidCredentials(private="malformed_key")
    return hashlib.sha256(_DOMAIN + key.encode()).hexdigest()


def _is_well_formed(key: str) -> bool:
    if not key.startswith(PREFIX):
        return bool(_OF_API_GATEWAY.fullmatch(key))
    found = FORM.fullmatch(key)
    return found is not None and _checksum(found[1]) == found[2]


def _checksum(text: str) -> str:
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
