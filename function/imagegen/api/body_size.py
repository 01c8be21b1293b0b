"""How large a body may be. Pictures may fill it; everything else has the limit that it would have without them."""

from __future__ import annotations

import re
from typing import Final

from imagegen.errors import PayloadTooLarge

MAX_BODY_BYTES: Final = 4_500_000
"""Lambda accepts events of 6 MB, and API Gateway sends the body in base64. In JSON, that is a picture of 3.3 MB."""
MAX_OTHER_BYTES: Final = 1024 * 1024
"""Beside pictures. 4.5 MB of small members would take 460 MB once parsed, and the Api has 512 MB."""

_SHORTEST: Final = 4096
"""Bytes of the shortest string that counts as a picture."""
# Strings of what base64 and the prefix of a data URL consist of, with JSON's escapes of line breaks and of the slash,
# and spaces between pieces that are longer than words. Possessive, so its run time is linear.
_PICTURE: Final = re.compile(rb'"(?: {0,8}+[\w+/=:;,.\\-]{32,}+)++(?: {0,8}+[\w+/=:;,.\\-]++)? {0,8}+"', re.ASCII)


def check_size(raw: bytes) -> None:
    """Raise PayloadTooLarge if the body, or what is not a picture in it, is too long."""
    if len(raw) > MAX_BODY_BYTES:
        raise PayloadTooLarge(
            f"The body has {len(raw)} bytes and must have at most {MAX_BODY_BYTES} (4.5 MB), a picture of 3.3 MB. Send "
            "a larger picture with POST /uploads, and its id here."
        )
    if len(raw) > MAX_OTHER_BYTES:
        strings = (len(found[0]) for found in _PICTURE.finditer(raw))
        other = len(raw) - sum(length for length in strings if length >= _SHORTEST)
        if other > MAX_OTHER_BYTES:
            raise PayloadTooLarge(
                f"Beside pictures, the body has {other} bytes and must have at most {MAX_OTHER_BYTES} (1 MiB)."
            )
