"""A deployment that draws for a batch: it keeps Idempotency-Keys as the service does, and counts what it bills."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from tests.support.api_server import PICTURE, STAGE, ApiServer, Received, Reply, document, example

Fault = Callable[[Received, int], Reply | None]
"""What to answer to a POST /generate instead, if anything; the number counts the requests of its key, from 1."""


def no_fault(request: Received, attempt: int) -> Reply | None:
    return None


@dataclass
class BatchServer(ApiServer):
    """`fault` gets each POST /generate before it is drawn, `lost` after it, in the place of its response."""

    fault: Fault = no_fault
    lost: Fault = no_fault
    images: Reply = field(default_factory=lambda: Reply(200, PICTURE))
    billed: Counter[str] = field(default_factory=Counter)
    """Times that each Idempotency-Key was drawn."""
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The last request with each key."""

    def __post_init__(self) -> None:
        super().__init__()
        self._results: dict[str, dict[str, Any]] = {}
        self._attempts: Counter[str] = Counter()
        self._lock = Lock()

    def reply(self, request: Received) -> Reply:
        if (request.method, request.path) != ("POST", f"{STAGE}/generate"):
            return self.images if request.path.startswith("/images/") else super().reply(request)
        with self._lock:
            self.received.append(request)
            key = request.headers["idempotency-key"]
            self._attempts[key] += 1
            attempt = self._attempts[key]
        return self.fault(request, attempt) or self._drawn(key, request, attempt)

    def _drawn(self, key: str, request: Received, attempt: int) -> Reply:
        with self._lock:
            self.sent[key] = request.json
            if key not in self._results:
                self.billed[key] += 1
                self._results[key] = self._result(request.json)
        return self.lost(request, attempt) or document(200, self._results[key])

    def _result(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A result whose seed is the request's, or the number of the picture."""
        number = len(self._results)
        count = asked.get("num_images_per_prompt", 1)
        image = example("result")["images"][0] | {"bytes": len(PICTURE), "sha256": hashlib.sha256(PICTURE).hexdigest()}
        seed = asked.get("seed", 1000 + 10 * number)
        images = [
            image | {"seed": seed + each, "url": f"{self.url}/images/{number}-{each}.png"} for each in range(count)
        ]
        return example("result", images=images, id=f"job{number}")


def write_batch(path: Path, *requests: dict[str, Any]) -> None:
    """Write a batch of these lines."""
    path.write_text("".join(json.dumps(request) + "\n" for request in requests))
