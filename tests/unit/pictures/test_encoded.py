"""Base64 in the forms that callers send."""

from __future__ import annotations

import base64
import textwrap
import urllib.parse

import pytest

from imagegen.errors import ImageInvalid
from imagegen.pictures import uploads
from imagegen.pictures.encoded import decode_base64

DATA = bytes(range(256)) + b"\xff\xfe\xfb"
TEXT = base64.b64encode(DATA).decode()
URL_SAFE = base64.urlsafe_b64encode(DATA[:-2]).decode()


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (TEXT, DATA),
        (f"data:image/png;base64,{TEXT}", DATA),
        (f"data:;base64,{TEXT}", DATA),
        (f"DATA:image/svg+xml;BASE64,{TEXT}", DATA),  # the file says what it is
        ("\r\n".join(textwrap.wrap(TEXT, 76)), DATA),
        (f" {TEXT}\n", DATA),
        (URL_SAFE, DATA[:-2]),
        (URL_SAFE.rstrip("="), DATA[:-2]),
        (f"data:image/png;base64,{URL_SAFE.rstrip('=')}\n", DATA[:-2]),
    ],
    ids=[
        "bare",
        "data URL",
        "no type",
        "other type",
        "MIME lines",
        "white space",
        "URL-safe",
        "no padding",
        "all of it",
    ],
)
def test_accepted_forms(text: str, data: bytes) -> None:
    assert "=" in URL_SAFE
    assert {"-", "_"} & set(URL_SAFE)
    assert decode_base64(text) == data


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "=", "A", "AAAAA", "https://example.com/cat.png", "/cat.png", "cat.png", "data:image/png,%89PNG",
        "data:image/png;base64,", "data:image/png;charset=utf-8;base64,AAAA",
        f"data:image/png;base64,{urllib.parse.quote(TEXT)}",
        TEXT[:20] + "é" + TEXT[20:], TEXT[:20] + "=" + TEXT[20:], TEXT[:8] + "\0" + TEXT[8:], "{}", "\ud800",
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_told_what_is_accepted(text: str) -> None:
    with pytest.raises(ImageInvalid, match="must be an upload id from POST /uploads, or base64") as raised:
        decode_base64(text)
    assert TEXT[:20] not in raised.value.detail


@pytest.mark.parametrize("prefix", ["data:", "data:/", "data:image/", "data:;base64"])
def test_a_prefix_that_never_ends_takes_linear_time(prefix: str) -> None:
    """A quadratic search would take days here, and the test would not end."""
    with pytest.raises(ImageInvalid):
        decode_base64(prefix + "a" * 3_000_001 + "!")


def test_ids_of_uploads() -> None:
    first, second = uploads.new_id(), uploads.new_id()
    assert first != second
    assert uploads.is_id(first)
    for text in (
        "",
        first[:-1],
        first + "0",
        first.lower(),
        f"{first}\n",
        f"x{first}",
        first.replace("_", "-"),
        f"../{first}",
    ):
        assert not uploads.is_id(text)
    assert uploads.object_key("acme", first) == f"uploads/acme/{first}"
