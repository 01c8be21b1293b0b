"""The size of bodies: pictures may fill one, small members may not."""

from __future__ import annotations

import json

import pytest

from imagegen.api.body_size import MAX_BODY_BYTES, MAX_OTHER_BYTES, check_size
from imagegen.errors import PayloadTooLarge

PICTURE = "data:image/png;base64," + "Ab0+/_-=" * 390_000
LINES = "\r\n".join("Ab0+" * 19 for _ in range(50_000))


@pytest.mark.parametrize(
    "picture",
    [PICTURE, LINES, PICTURE.replace("/", r"\/"), LINES.replace("\r\n", " "), LINES.replace("\r\n", "\n    ")],
    ids=["data URL", "lines", "escaped", "spaces", "indented"],
)
def test_a_picture_may_fill_the_body(picture: str) -> None:
    raw = json.dumps({"prompt": "a red circle", "image": picture}).encode()
    assert len(raw) > MAX_OTHER_BYTES
    check_size(raw)


def test_nothing_else_may() -> None:
    members = ",".join(f'"a{index:07}":1' for index in range(300_000))
    for raw in (
        b'{"prompt": "' + b" " * 2_000_000 + b'"}',
        b'{"prompt": "' + b"a red circle " * 150_000 + b'"}',
        b'{"prompt": "' + "é".encode() * 1_000_000 + b'"}',
        f"{{{members}}}".encode(),
        json.dumps({"image": PICTURE[:3_000_000], "metadata": " " * MAX_OTHER_BYTES}).encode(),
        b" " * (MAX_OTHER_BYTES + 1),
    ):
        with pytest.raises(
            PayloadTooLarge, match=r"Beside pictures, the body has \d+ bytes and must have at most 1048576"
        ):
            check_size(raw)


def test_the_limits_themselves() -> None:
    check_size(b" " * MAX_OTHER_BYTES)
    check_size(b'"' + b"A" * (MAX_BODY_BYTES - 2) + b'"')
    with pytest.raises(PayloadTooLarge, match="POST /uploads"):
        check_size(b'"' + b"A" * (MAX_BODY_BYTES - 1) + b'"')


@pytest.mark.parametrize(
    "raw",
    [
        *(b'"' * 4_400_000, b'"A' * 2_200_000, b'" ' * 2_200_000, b"\\" * 4_400_000),
        *(b'"' + b"A" * 4_400_000, b'"' + b"A " * 2_200_000),
    ],
)
def test_what_is_never_closed_takes_linear_time(raw: bytes) -> None:
    """A quadratic search would take hours here, and the test would not end."""
    with pytest.raises(PayloadTooLarge):
        check_size(raw)
