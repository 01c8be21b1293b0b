"""Pictures in JSON: base64 in the forms that callers send."""

from __future__ import annotations

import base64
import re
from typing import Final

from imagegen.errors import ImageInvalid

FORMS: Final = (
    "an upload id from POST /uploads, or base64, also with a prefix such as data:image/png;base64, and neither a URL "
    "nor a path"
)
_DATA_URL: Final = re.compile(r"data:[\w.+-]*+(?:/[\w.+-]*+)?+;base64,", re.ASCII | re.IGNORECASE)
"""Possessive, so its run time is linear: the text may have megabytes."""
_TO_STANDARD: Final = str.maketrans("-_", "+/", " \t\r\n")


def decode_base64(text: str) -> bytes:
    """Return the bytes of base64 text. Raises ImageInvalid, whose field is `image`.

    Accepted are both alphabets of RFC 4648, white space, a missing padding, and the prefix of a base64 data URL, whose
    media type is ignored: the file says what it is.
    """
    prefix = _DATA_URL.match(text)
    compact = (text[prefix.end() :] if prefix else text).translate(_TO_STANDARD).rstrip("=")
    try:
        data = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except ValueError:  # binascii.Error is one; so is text that is not ASCII
        data = b""
    if not data:
        raise ImageInvalid(f"must be {FORMS}")
    return data
