"""R10 for POST /verify: no file kills the process that checks it, and none takes more than 200 MB."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Final

import pytest

from imagegen.provenance.bounded_file import MAX_CALLS, BoundedFile
from imagegen.provenance.manifest import MediaType, Origin
from tests.conftest import ROOT
from tests.support.credentials import DEMO, credentials, pictures
from tests.support.hostile_pictures import hostile_files

MORE_BYTES: Final = 200 * 1024 * 1024
VERDICTS: Final = {"valid", "invalid", "not_present", "image_invalid", "image_format_unsupported"}
PICTURES: Final = pictures()
PNG: Final[MediaType] = "image/png"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(inserted: bytes) -> bytes:
    """Return a PNG with chunks after its header."""
    return PICTURES[PNG][:33] + inserted + PICTURES[PNG][33:]


def webp(appended: bytes) -> bytes:
    """Return a WebP with chunks after its picture."""
    body = PICTURES["image/webp"][8:] + appended
    return b"RIFF" + struct.pack("<I", len(body)) + body


def nested_boxes(depth: int) -> bytes:
    """Return a JUMBF box in a box in a box (ISO 19566-5)."""
    described = b"jumd" + b"c2pa" + bytes.fromhex("00110010800000aa00389b71") + b"\x03c2pa\0"
    box = b""
    for _ in range(depth):
        content = struct.pack(">I", 4 + len(described)) + described + box
        box = struct.pack(">I", 8 + len(content)) + b"jumb" + content
    return box


def app11(number: int, sequence: int) -> bytes:
    """Return a JPEG segment that begins a box of 1 GB."""
    content = b"JP" + struct.pack(">HI", number, sequence) + struct.pack(">I", 1 << 30) + b"jumb"
    return b"\xff\xeb" + struct.pack(">H", 2 + len(content)) + content


def with_segments(segments: bytes) -> bytes:
    return PICTURES["image/jpeg"][:2] + segments + PICTURES["image/jpeg"][2:]


def crafted() -> Iterator[tuple[str, bytes]]:
    """Yield files that aim at a reader of content credentials."""
    garbage = random.Random(1).randbytes(4_000_000)
    xmp = b"XML:com.adobe.xmp\0\1\0\0\0"
    yield "a text of 400 MB, compressed", png(chunk(b"iTXt", xmp + zlib.compress(bytes(400_000_000), 9)))
    yield "deep XML", png(chunk(b"iTXt", xmp.replace(b"\1", b"\0") + b"<a>" * 300_000))
    yield "a box of garbage", png(chunk(b"caBX", garbage))
    yield "two boxes", png(chunk(b"caBX", nested_boxes(1)) * 2)
    yield "an empty box", png(chunk(b"caBX", b""))
    yield "a box of zeros", png(chunk(b"caBX", bytes(4_000_000)))
    yield "a box that says it has 4 GB", png(chunk(b"caBX", b"\xff\xff\xff\xffjumb" + garbage[:100]))
    yield "a box that says it has 2^63 bytes", png(chunk(b"caBX", b"\0\0\0\1jumb" + b"\x7f" + b"\xff" * 7))
    for depth in (1, 30, 1_000, 30_000):
        yield f"{depth} nested boxes", png(chunk(b"caBX", nested_boxes(depth)))
    yield "360,000 texts", png(chunk(b"tEXt", b"") * 360_000)
    yield "180,000 segments", with_segments(b"".join(app11(1, index + 1) for index in range(180_000)))
    yield "the same segment 180,000 times", with_segments(app11(1, 1) * 180_000)
    yield "boxes in 60,000 numbers", with_segments(b"".join(app11(index, 1) for index in range(60_000)))
    yield "550,000 RIFF chunks", webp((b"abcd" + struct.pack("<I", 0)) * 550_000)
    yield "a RIFF chunk of garbage", webp(b"C2PA" + struct.pack("<I", len(garbage)) + garbage)
    lists = b""
    for _ in range(20_000):
        lists = b"LIST" + struct.pack("<I", 4 + len(lists)) + b"abcd" + lists
    yield "nested RIFF lists", webp(lists)


def mutated() -> Iterator[tuple[str, bytes]]:
    """Yield signed files with bytes changed, cut out and doubled."""
    chance = random.Random(11)
    signing = credentials()
    for media_type, data in PICTURES.items():
        signed = signing.sign(data, media_type, DEMO)
        for number in range(40):
            changed = bytearray(signed)
            for _ in range(chance.choice((1, 5, 50))):
                changed[chance.randrange(12, len(changed))] = chance.randrange(256)
            start = chance.randrange(12, len(changed))
            length = chance.choice((0, 1, 100, 5_000))
            yield f"{media_type} changed {number}", bytes(changed)
            yield f"{media_type} cut {number}", bytes(changed[:start] + changed[start + length :])
            yield f"{media_type} doubled {number}", bytes(signed[:start] + signed[start : start + length] * 2)


def ancestors(count: int) -> bytes:
    """Return an edit of an edit of an edit ..."""
    signing, picture = credentials(), PICTURES[PNG]
    for _ in range(count):
        picture = signing.sign(PICTURES[PNG], PNG, Origin("demo", "1", picture))
    return picture


@pytest.fixture(scope="module")
def files() -> list[tuple[str, bytes]]:
    decoded = [(f"decoder: {name}", data) for name, data, _ in hostile_files() if len(data) <= 4_500_000]
    return [*crafted(), *mutated(), *decoded, ("20 ancestors", ancestors(20))]


def test_every_file_gets_a_verdict_or_is_refused(
    files: list[tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    for index, (_, data) in enumerate(files):
        (folder / f"{index:04}").write_bytes(data)
    command = [sys.executable, "-m", "tests.support.verify_within", str(folder), str(MORE_BYTES)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    lines = [json.loads(line) for line in finished.stdout.splitlines()]
    outcomes = {files[int(each["name"])][0]: each["outcome"] for each in lines}
    assert len(files) == len(outcomes) >= 500
    assert {name: each for name, each in outcomes.items() if each not in VERDICTS} == {}
    assert outcomes["20 ancestors"] == "valid"
    assert outcomes["360,000 texts"] == outcomes["550,000 RIFF chunks"] == "image_invalid"


def test_a_parser_cannot_read_a_file_for_ever() -> None:
    file = BoundedFile(b"x" * 10)
    for _ in range(MAX_CALLS // 2):
        file.seek(0)
        assert file.read(1) == b"x"
    assert not file.exhausted
    with pytest.raises(OSError, match="too many parts"):
        file.seek(0)
    assert file.exhausted
