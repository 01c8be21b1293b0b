"""Files that try to crash a decoder, to fill its memory or to keep it busy (R10). Seeded: the same ones each time."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final

from PIL import Image, ImageCms

from tests.support.pictures import (
    FORMATS,
    canvas,
    chunk,
    file,
    noise,
    png,
    quadrants,
    riff,
    turned,
    webp_chunk,
    with_segments,
)

LARGEST: Final = (3500, 3500)
LARGEST_WEBP: Final = (3200, 3125)
OK: Final = "ok"
INVALID: Final = "image_invalid"
LARGE: Final = "image_too_large"
UNSUPPORTED: Final = "image_format_unsupported"
DAMAGED: Final = f"{OK} or {INVALID}"
"""A damaged file may still be decoded: not every byte of one matters."""

Hostile = tuple[str, bytes, str]
"""Name, file and expected outcome."""


def hostile_files() -> list[Hostile]:
    """Return all files."""
    return [
        *_truncated(),
        *_mutated(),
        *_lying(),
        *_bombs(),
        *_metadata_bombs(),
        *_largest(),
        *_polyglots(),
        *_others(),
    ]


def _samples() -> dict[str, bytes]:
    """Return a file of each kind of coding, with metadata."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with_all = {"exif": turned(6), "icc_profile": profile}
    return {
        "png": file(noise(), "PNG", **with_all),
        "palette": file(quadrants().convert("P"), "PNG", transparency=0),
        "jpeg": file(noise(), "JPEG", **with_all),
        "progressive": file(noise(), "JPEG", progressive=True),
        "webp": file(noise(), "WEBP", **with_all),
        "lossless": file(noise().convert("RGBA"), "WEBP", lossless=True),
    }


def _truncated() -> Iterator[Hostile]:
    for name, data in _samples().items():
        for part in range(10):
            yield f"{name} cut at {part}/10", data[: len(data) * part // 10], INVALID


def _mutated() -> Iterator[Hostile]:
    """Yield files of which a few bytes were replaced."""
    chance = random.Random(18)
    for name, data in _samples().items():
        for copy in range(15):
            damaged = bytearray(data)
            for _ in range(1 + copy % 5):
                damaged[chance.randrange(12 if copy % 2 else len(data) // 2, len(data))] = chance.randrange(256)
            yield f"{name} with damage {copy}", bytes(damaged), DAMAGED


def _resized(jpeg: bytes, width: int, height: int) -> bytes:
    start = next(jpeg.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in jpeg) + 5
    return jpeg[:start] + struct.pack(">HH", height, width) + jpeg[start + 4 :]


def _lying() -> Iterator[Hostile]:
    """Yield files whose headers contradict their data."""
    row, jpeg, webp = b"\0" * 4, file(noise(), "JPEG"), file(noise(), "WEBP")
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *LARGEST, 16, 6, 0, 0, 0))
    yield "PNG with more pixels than data", png(LARGEST, 6, 16, row), INVALID
    yield "PNG with more data than pixels", png((1, 1), 2, 8, row * 10**7), OK
    yield "PNG with two headers", png((1, 1), 2, 8, row, header), INVALID
    yield "PNG without a palette", png((1, 1), 3, 8, b"\0\0"), INVALID
    yield "PNG with an index beyond its palette", png((1, 1), 3, 8, b"\0\xff", chunk(b"PLTE", b"\1\2\3")), OK
    yield "PNG with a chunk of 4 GB", png((1, 1), 2, 8, row, b"\xff\xff\xff\xffiCCP"), INVALID
    for depth, color_type in ((3, 2), (16, 3), (8, 1), (64, 0)):
        yield f"PNG of depth {depth} and type {color_type}", png((1, 1), color_type, depth, row), INVALID
    yield "JPEG with more pixels than data", _resized(jpeg, *LARGEST), DAMAGED
    yield "JPEG with fewer pixels than data", _resized(jpeg, 1, 1), OK
    yield "JPEG without a frame", b"\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0" + b"\0" * 99 + b"\xff\xd9", INVALID
    yield "JPEG with a segment of length 0", b"\xff\xd8\xff\xe0\0\0" + jpeg[2:], INVALID
    yield "JPEG of fill bytes", b"\xff\xd8" + b"\xff" * 5_000_000, INVALID
    yield "WebP with another canvas", riff(canvas(*LARGEST), webp_chunk(webp)), INVALID
    yield "WebP of a canvas alone", riff(canvas(64, 48)), INVALID
    yield "WebP with a chunk of 4 GB", webp + b"VP8 \xff\xff\xff\xff", OK
    yield "WebP that says animated", riff(canvas(64, 48, flags=2), webp_chunk(webp)), UNSUPPORTED


def _bombs() -> Iterator[Hostile]:
    """Yield small files of many pixels, frames or scans."""
    rows = zlib.compress(b"\0" * 10**8, 9)
    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 10**5, 10**5, 1, 0, 0, 0, 0))
    yield "PNG of 10 gigapixels", huge + chunk(b"IDAT", rows) + chunk(b"IEND", b""), LARGE
    yield "PNG of one long row", png((2**31 - 1, 1), 0, 1, b""), LARGE
    yield "JPEG of 4 gigapixels", _resized(file(noise(), "JPEG"), 65_500, 65_500), LARGE
    lossless = file(noise(), "WEBP", lossless=True)
    bits = struct.pack("<I", 16_383 | 16_383 << 14)
    yield "WebP of 16,384 squared", lossless[:21] + bits + lossless[25:], LARGE
    yield "WebP of 2^24 squared", riff(canvas(2**24, 2**24), webp_chunk(lossless)), INVALID
    jpeg = file(Image.new("L", LARGEST, 9), "JPEG", progressive=True)
    yield "JPEG of 10,000 scans", jpeg[:-2] + jpeg[jpeg.rindex(b"\xff\xda") : -2] * 10_000 + b"\xff\xd9", INVALID
    frames = [quadrants(), noise(), quadrants()]
    yield "animated PNG", file(noise(), "PNG", save_all=True, append_images=frames), UNSUPPORTED
    yield "animated WebP", file(noise(), "WEBP", save_all=True, append_images=frames), UNSUPPORTED
    yield "animated GIF", file(noise(), "GIF", save_all=True, append_images=frames), UNSUPPORTED


def _metadata_bombs() -> Iterator[Hostile]:
    """Yield small pictures with large metadata, which is never read."""
    zeros, row = zlib.compress(b"\0" * 10**8, 9), b"\0" * 4
    profile = b"ICC_PROFILE\0\1\xff" + b"\0" * 60_000
    entries = b"".join(struct.pack("<HHII", tag, 7, 60_000, 8) for tag in range(5000))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries
    jpeg, webp = file(noise(), "JPEG"), webp_chunk(file(noise(), "WEBP"))
    yield "PNG with a text of 100 MB", png((1, 1), 2, 8, row, chunk(b"zTXt", b"a\0\0" + zeros)), OK
    yield "PNG with an international text of 100 MB", png((1, 1), 2, 8, row, chunk(b"iTXt", b"a\0\1\0\0\0" + zeros)), OK
    yield "PNG with 300,000 texts", png((1, 1), 2, 8, row, *[chunk(b"tEXt", b"%d\0x" % i) for i in range(300_000)]), OK
    yield "PNG with a profile of 100 MB", png((1, 1), 2, 8, row, chunk(b"iCCP", b"a\0\0" + zeros)), DAMAGED
    yield (
        "PNG with EXIF of 65,535 entries",
        png((1, 1), 2, 8, row, chunk(b"eXIf", exif[6:12] + b"\xff\xff" * 10**6)),
        OK,
    )
    yield "JPEG with 150 EXIF segments", with_segments(jpeg, *[exif] * 150), OK
    yield "JPEG with 255 parts of a profile", with_segments(jpeg, *[profile] * 150, marker=0xE2), DAMAGED
    yield "JPEG with 100,000 comments", with_segments(jpeg, *[b"x"] * 100_000, marker=0xFE), OK
    yield "JPEG with 2,400,000 comments", jpeg[:2] + b"\xff\xfe\0\2" * 2_400_000 + jpeg[2:], INVALID
    yield "WebP with EXIF of 5 MB", riff(canvas(64, 48, flags=8), webp, (b"EXIF", exif * 80)), OK
    yield "WebP with 300,000 chunks", riff(canvas(64, 48), webp, *[(b"junk", b"x")] * 300_000), OK
    yield "WebP with a profile of 5 MB", riff(canvas(64, 48, flags=0x20), (b"ICCP", b"\0" * 5_000_000), webp), OK


def _largest() -> Iterator[Hostile]:
    """Yield valid pictures of the most pixels, in the codings that need the most memory."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {"icc_profile": profile, "exif": turned(6)}
    picture = Image.radial_gradient("L").resize(LARGEST).convert("RGB")
    rows = b"\0" * (LARGEST[1] * (LARGEST[0] * 8 + 1))
    iccp = chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(profile))
    yield "largest PNG with 16 bits and alpha", png(LARGEST, 6, 16, rows, iccp, chunk(b"eXIf", turned(5)[6:])), OK
    yield "largest grey PNG with 16 bits", png(LARGEST, 0, 16, rows[: LARGEST[1] * (LARGEST[0] * 2 + 1)]), OK
    yield "largest progressive JPEG", file(picture, "JPEG", progressive=True, subsampling=0, **options), OK
    yield "largest CMYK JPEG", file(picture.convert("CMYK"), "JPEG", progressive=True, exif=turned(6)), OK
    count = LARGEST_WEBP[0] * LARGEST_WEBP[1]
    grain = Image.frombytes("L", LARGEST_WEBP, random.Random(18).randbytes(count)).convert("RGB")
    yield "largest WebP", file(grain, "WEBP", quality=80, method=0, **options), OK
    grain.putalpha(picture.getchannel(0).resize(LARGEST_WEBP))
    yield "largest WebP with alpha", file(grain, "WEBP", quality=50, method=0, **options), OK


def _polyglots() -> Iterator[Hostile]:
    """Yield files that are also something else: only the picture in them counts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("payload.js", "alert(1)")
    for name, data in _samples().items():
        yield f"{name} and ZIP", data + buffer.getvalue(), OK
    yield "JPEG and HTML", with_segments(file(noise(), "JPEG"), b"<script>alert(1)</script>", marker=0xFE), OK
    yield "PNG and PHP", png((1, 1), 2, 8, b"\0" * 4, chunk(b"tEXt", b"a\0<?php system($_GET[0]); ?>")), OK
    yield "GIF and JavaScript", b"GIF89a/*\0\0*/=1;alert(1)", UNSUPPORTED
    yield "RIFF that is AVI", b"RIFF\x10\0\0\0AVI LIST\4\0\0\0movi", INVALID


def _others() -> Iterator[Hostile]:
    """Yield files of other formats, and no pictures."""
    entity = b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    signatures = [
        b"<svg onload='alert(1)'/>",
        entity,
        b"8BPS\0\1" + b"\0" * 20,
        b"%PDF-1.7\n",
        b"\0\0\1\0\1\0" + b"\0" * 20,
    ]
    for index, data in enumerate([*signatures, b"\0\0\0\x18ftypheic" + b"\0" * 99, b"\xff\x0a" + b"\0" * 99]):
        yield f"other format {index}", data, UNSUPPORTED
    for kind in ("TIFF", "BMP", "GIF", "ICO"):
        yield kind, file(noise(), kind), UNSUPPORTED
    invalid = [
        b"",
        b"\0",
        b"%!PS-Adobe-3.0 EPSF",
        gzip.compress(file(noise(), "PNG")),
        b"\x89PNG\n\x1a\n",
        b"P6 1 1 255 abc",
    ]
    chance = random.Random(18)
    for index, data in enumerate([*invalid, *(chance.randbytes(2000) for _ in range(10))]):
        yield f"no picture {index}", data, INVALID
    for kind in FORMATS:
        yield f"{kind} after a byte", b"\n" + file(noise(), kind), INVALID
