"""Forms that callers of POST /verify send."""

from __future__ import annotations

from typing import Final

from urllib3 import encode_multipart_formdata

BOUNDARY: Final = "0123456789abcdef"


def form(*files: bytes, name: str = "file") -> tuple[bytes, dict[str, str]]:
    """Return the body and the header of a form with these files, all of them in one field."""
    fields = [(name, ("picture", each, "application/octet-stream")) for each in files]
    body, media_type = encode_multipart_formdata(fields, BOUNDARY)
    return body, {"Content-Type": media_type}
