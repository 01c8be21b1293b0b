"""Content credentials for tests: certificates that are made once, keys in memory, and what a signed picture says."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from c2pa import Builder, C2paSigningAlg, Context, Reader, Signer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from PIL import Image

from imagegen.errors import ProvenanceUnavailable
from imagegen.provenance.manifest import MEDIA_TYPES, MediaType, Origin
from imagegen.provenance.report import OFFLINE
from imagegen.provenance.signing import ContentCredentials
from tests.support.pictures import file
from tools.local.signing_certificate import Identity, authority_of, signer_of

DEMO = Origin("demo", "6cc6991b014f")


@dataclass
class MemoryKey:
    """A SigningKey in memory. While `failing` is set, it raises it."""

    key: ec.EllipticCurvePrivateKey
    failing: ProvenanceUnavailable | None = None
    signatures: int = 0

    def sign(self, data: bytes) -> bytes:
        if self.failing is not None:
            raise self.failing
        self.signatures += 1
        return self.key.sign(data, ec.ECDSA(SHA256()))


@cache
def authority(name: str = "Tests' authority") -> Identity:
    """Return an authority; the same one for the same name."""
    return authority_of(name)


@cache
def signer(name: str = "Tests' signer") -> Identity:
    """Return a signer that the tests' authority has certified; the same one for the same name."""
    return signer_of(authority(), name)


def chain(identity: Identity | None = None) -> bytes:
    """Return the signer's chain in PEM."""
    return (identity or signer()).pem + authority().pem


def anchors() -> str:
    """Return the tests' authority as one that a reader trusts."""
    return authority().pem.decode()


def credentials(identity: Identity | None = None, **options: Any) -> ContentCredentials:
    """Return what signs as this signer."""
    used = identity or signer()
    return ContentCredentials(MemoryKey(used.key), lambda: chain(used), **options)


def manifests(data: bytes, media_type: MediaType) -> dict[str, Any]:
    """Return what the reference reader says of a picture, with the tests' authority trusted."""
    settings = OFFLINE | {"trust": {"trust_anchors": anchors()}}
    with (
        Context.from_dict(settings) as context,
        Reader(media_type, io.BytesIO(data), context=context) as reader,
    ):
        found: dict[str, Any] = json.loads(reader.json())
    return found


def active(data: bytes, media_type: MediaType) -> dict[str, Any]:
    """Return the manifest of the picture itself."""
    found = manifests(data, media_type)
    manifest: dict[str, Any] = found["manifests"][found["active_manifest"]]
    return manifest


def actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the manifest's actions."""
    (assertion,) = [each for each in manifest["assertions"] if each["label"] == "c2pa.actions.v2"]
    listed: list[dict[str, Any]] = assertion["data"]["actions"]
    return listed


def pictures() -> dict[MediaType, bytes]:
    """Return an unsigned picture of each format, whose pixels take some kilobytes."""
    image = Image.frombytes("RGB", (96, 64), random.Random(7).randbytes(96 * 64 * 3))
    return {media_type: file(image, kind) for kind, media_type in MEDIA_TYPES.items()}


def signed_with(actions: list[dict[str, Any]], picture: bytes, media_type: MediaType = "image/png") -> bytes:
    """Return the picture as another program signs it, that says it has done this. The tests' authority certified it."""
    claim = {
        "claim_generator_info": [{"name": "another program", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    output = io.BytesIO()
    with (
        Signer.from_callback(_sign_raw, C2paSigningAlg.ES256, chain().decode(), None) as by,
        Context.from_dict({"builder": {"thumbnail": {"enabled": False}}}) as context,
        Builder(claim, context) as builder,
    ):
        builder.sign(by, media_type, io.BytesIO(picture), output)
    return output.getvalue()


def _sign_raw(data: bytes) -> bytes:
    halves = decode_dss_signature(MemoryKey(signer().key).sign(data))
    return b"".join(half.to_bytes(32, "big") for half in halves)


def with_a_pixel_changed(data: bytes) -> bytes:
    """Return the file with one bit of its pixels' data flipped, a kilobyte after where that begins."""
    begins = min(place for marker in (b"IDAT", b"\xff\xda", b"VP8 ") if (place := data.find(marker)) > 0)
    flipped = bytearray(data)
    flipped[begins + 1000] ^= 1
    return bytes(flipped)


def decoded(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    """Return mode, size and pixels of a file."""
    image = Image.open(io.BytesIO(data))
    return image.mode, image.size, image.tobytes()


def at(moment: datetime) -> Callable[[], datetime]:
    """Return a clock that stands still."""
    return lambda: moment.astimezone(UTC)
