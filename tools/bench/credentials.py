"""`python -m tools.bench.credentials`: how long signing and checking a picture take, and by how much its file grows.

The key is in memory: KMS adds its response time. Medians, in milliseconds.
"""

from __future__ import annotations

import io
import random
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from PIL import Image

from imagegen.provenance.manifest import MEDIA_TYPES, Origin
from imagegen.provenance.report import report
from imagegen.provenance.signing import ContentCredentials
from tools.bench.markdown import table
from tools.local.signing_certificate import Identity, authority_of, signer_of

RUNS: Final = 41
_DEMO: Final = Origin("demo", "6cc6991b014f")


class MemoryKey:
    """Implements provenance.ports.SigningKey."""

    def __init__(self, identity: Identity):
        self._key = identity.key

    def sign(self, data: bytes) -> bytes:
        """Return the signature."""
        return self._key.sign(data, ec.ECDSA(SHA256()))


def median_ms(run: Callable[[], object]) -> float:
    """Return the median of RUNS runs after one that does not count."""
    run()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def scene(side: int) -> Image.Image:
    """Return a picture with smooth parts and noise, as a photo has."""
    noise = Image.frombytes("RGB", (side, side), random.Random(side).randbytes(side * side * 3))
    return Image.blend(Image.linear_gradient("L").resize((side, side)).convert("RGB"), noise, 0.1)


def main() -> None:
    authority = authority_of("Benchmark")
    identity = signer_of(authority, "Benchmark", lasts=timedelta(days=1))
    signing = ContentCredentials(MemoryKey(identity), lambda: identity.pem + authority.pem)
    rows = []
    for side in (512, 1024):
        image = scene(side)
        for kind, media_type in MEDIA_TYPES.items():
            buffer = io.BytesIO()
            image.save(buffer, kind)
            plain = buffer.getvalue()
            signed = signing.sign(plain, media_type, _DEMO)
            edit = Origin(_DEMO.model, _DEMO.revision, signed)
            times = (
                median_ms(lambda: signing.sign(plain, media_type, _DEMO)),  # noqa: B023
                median_ms(lambda: signing.sign(plain, media_type, edit)),  # noqa: B023
                median_ms(lambda: report(signed, media_type)),  # noqa: B023
            )
            rows.append(
                [f"{side} {kind}", f"{len(plain):,}", f"{len(signed) - len(plain):,}", *(f"{ms:.1f}" for ms in times)]
            )
    print(table(["picture", "bytes", "more when signed", "sign", "sign an edit of it", "check"], rows))


if __name__ == "__main__":
    main()
